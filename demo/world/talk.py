"""Greetings, who the models are, what they can do, and a polite no to everything else."""

import random

from demo.world.item import Difficulty, Item, Language

HELLO: dict[Language, str] = {"en": "Hello! How can I help you?", "zh": "你好！有什么可以帮你？"}
NAME: dict[Language, str] = {
    "en": "I am a small demo model of the Multi-LLM Comparator.",
    "zh": "我是多模型比较器的小型演示模型。",
}
ABILITIES: dict[Language, str] = {
    "en": (
        "I can add, subtract and multiply, compare and sort numbers, convert units and times, work with the letters of "
        "words, recall some facts, translate short phrases between English and Chinese, and answer multiple choice "
        "questions."
    ),
    "zh": "我会加减乘、比较和排序数字、换算单位和时间、处理单词的字母、回答一些常识、在中英文之间翻译短语、做选择题。",
}
REFUSAL: dict[Language, str] = {
    "en": (
        "Sorry, that is outside my small world. I can do sums, comparisons, units, words, facts, short translations "
        "and multiple choice."
    ),
    "zh": "抱歉，这超出了我的小世界。我会算术、比较、单位、单词、常识、短语翻译和选择题。",
}
WELCOME: dict[Language, str] = {"en": "You are welcome!", "zh": "不客气！"}
FAREWELL: dict[Language, str] = {"en": "Goodbye!", "zh": "再见！"}
WELL: dict[Language, str] = {"en": "I am fine, thank you! How can I help you?", "zh": "我很好，谢谢！有什么可以帮你？"}

TALK: dict[Language, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "en": (
        (
            HELLO["en"],
            ("Hello", "Hi", "Hey", "Good morning", "Good evening", "Good afternoon", "Hello there", "Hi there"),
        ),
        (WELL["en"], ("How are you", "How are you doing", "How is it going", "Are you well")),
        (WELCOME["en"], ("Thank you", "Thanks", "Thank you very much", "Thanks a lot", "Many thanks")),
        (FAREWELL["en"], ("Goodbye", "Bye", "See you", "Good night", "See you later")),
        (
            NAME["en"],
            (
                "Who are you",
                "What are you",
                "What is your name",
                "Tell me who you are",
                "Introduce yourself",
                "Who am I talking to",
                "Are you a language model",
                "Which model are you",
            ),
        ),
        (
            ABILITIES["en"],
            (
                "What can you do",
                "What are you able to do",
                "How can you help me",
                "What can I ask you",
                "Tell me what you can do",
                "Which tasks can you do",
                "What do you know",
                "Help",
            ),
        ),
    ),
    "zh": (
        (HELLO["zh"], ("你好", "您好", "嗨", "早上好", "晚上好", "下午好", "大家好", "你好呀")),
        (WELL["zh"], ("你好吗", "你怎么样", "最近怎么样", "你还好吗")),
        (WELCOME["zh"], ("谢谢", "谢谢你", "非常感谢", "多谢", "感谢")),
        (FAREWELL["zh"], ("再见", "拜拜", "回头见", "晚安", "下次见")),
        (
            NAME["zh"],
            (
                "你是谁",
                "你叫什么名字",
                "介绍一下你自己",
                "请问你是谁",
                "你是什么模型",
                "你是语言模型吗",
                "告诉我你是谁",
            ),
        ),
        (
            ABILITIES["zh"],
            (
                "你会什么",
                "你能做什么",
                "你可以帮我做什么",
                "我可以问你什么",
                "告诉我你会做什么",
                "你有什么功能",
                "帮助",
            ),
        ),
    ),
}
FRAMES: dict[Language, tuple[str, ...]] = {
    "en": ("{q}", "{q}!", "{q}?", "{q}.", "Hey, {l}?", "{q}, please", "OK, {l}.", "{q} :)", "So, {l}?"),
    "zh": ("{q}", "{q}！", "{q}？", "{q}。", "请问，{q}？", "嗯，{q}", "{q}～", "那么，{q}？"),
}
OUTSIDE: dict[Language, tuple[str, ...]] = {
    "en": (
        "Write a poem about {t}.",
        "Tell me a story about {t}.",
        "What do you think about {t}?",
        "Explain {t} to me.",
        "Who invented {t}?",
        "Write an essay about {t}.",
        "Why is {t} so popular?",
        "Tell me about {t}.",
        "What is the history of {t}?",
        "Give me advice on {t}.",
        "Write a program for {t}.",
        "How does {t} work?",
        "Summarise the news about {t}.",
        "Recommend a film about {t}.",
        "Tell me a joke about {t}.",
        "Where can I buy {t}?",
        "What is the price of {t}?",
        "Who is the best at {t}?",
    ),
    "zh": (
        "写一首关于{t}的诗。",
        "讲一个关于{t}的故事。",
        "你怎么看{t}？",
        "给我解释一下{t}。",
        "{t}是谁发明的？",
        "写一篇关于{t}的文章。",
        "为什么{t}这么流行？",
        "说说{t}的历史。",
        "给我一些关于{t}的建议。",
        "写一个{t}的程序。",
        "{t}是怎么工作的？",
        "推荐一部关于{t}的电影。",
        "讲一个关于{t}的笑话。",
        "{t}多少钱？",
        "哪里可以买到{t}？",
    ),
}
TOPICS: tuple[tuple[str, str], ...] = (
    ("love", "爱情"),
    ("the weather", "天气"),
    ("politics", "政治"),
    ("football", "足球"),
    ("cooking", "做饭"),
    ("the stock market", "股票"),
    ("quantum physics", "量子物理"),
    ("machine learning", "机器学习"),
    ("poetry", "诗歌"),
    ("the ocean", "海洋"),
    ("war", "战争"),
    ("peace", "和平"),
    ("dinosaurs", "恐龙"),
    ("chess", "国际象棋"),
    ("travel", "旅行"),
    ("photography", "摄影"),
    ("dreams", "梦想"),
    ("coffee", "咖啡"),
    ("robots", "机器人"),
    ("the internet", "互联网"),
    ("medicine", "药"),
    ("law", "法律"),
    ("religion", "宗教"),
    ("fashion", "时装"),
    ("basketball", "篮球"),
    ("gardening", "园艺"),
    ("electricity", "电"),
    ("the telephone", "电话"),
    ("space travel", "太空旅行"),
    ("climate change", "气候变化"),
    ("black holes", "黑洞"),
    ("vaccines", "疫苗"),
    ("painting", "绘画"),
    ("opera", "歌剧"),
    ("video games", "电子游戏"),
    ("bitcoin", "比特币"),
    ("philosophy", "哲学"),
    ("yoga", "瑜伽"),
    ("wine", "葡萄酒"),
    ("sorting lists in Python", "Python 排序"),
    ("databases", "数据库"),
    ("the Roman Empire", "罗马帝国"),
    ("marriage", "婚姻"),
    ("happiness", "幸福"),
    ("my cat", "我的猫"),
    ("the moon", "月亮"),
    ("autumn", "秋天"),
    ("jazz", "爵士乐"),
    ("evolution", "进化论"),
    ("tennis", "网球"),
    ("a good job", "好工作"),
    ("steam engines", "蒸汽机"),
    ("paper", "纸"),
    ("sleep", "睡眠"),
)


def draw_greeting(rng: random.Random, language: Language, difficulty: Difficulty) -> Item:
    """Greetings, thanks, who are you, what can you do. Held out are combinations of a phrase and its frame."""
    answer, phrases = rng.choice(TALK[language])
    phrase = rng.choice(phrases)
    index = rng.randrange(len(FRAMES[language]))
    prompt = FRAMES[language][index].format(q=phrase, l=phrase[0].lower() + phrase[1:])
    if rng.random() < 0.1:
        prompt = prompt.lower()
    return Item(prompt, answer, "talk", language, difficulty, f"talk|{phrase}|{index}")


def draw_outside(rng: random.Random, language: Language, difficulty: Difficulty) -> Item:
    """Requests outside the world. Held out are combinations of a request and a topic."""
    topic = rng.choice(TOPICS)[0 if language == "en" else 1]
    index = rng.randrange(len(OUTSIDE[language]))
    prompt = OUTSIDE[language][index].format(t=topic)
    return Item(prompt, REFUSAL[language], "outside", language, difficulty, f"outside|{topic}|{index}")
