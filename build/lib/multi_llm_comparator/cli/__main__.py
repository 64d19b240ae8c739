from multi_llm_comparator.cli.app import main

main()
