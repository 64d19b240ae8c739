"""When an answer counts as right."""

from demo.world.item import Item

_CASE_MATTERS = frozenset({"case", "fact"})
"""Tasks whose answer is wrong in the wrong case ("APPLE", the symbol "Co")."""


def final_answer(text: str) -> str:
    """What an answer comes to: the text after the last "=", without surrounding space, quotes or a final stop."""
    return text.rsplit("=", 1)[-1].strip(" \t\r\n\"'“”.。!！")


def is_correct(item: Item, text: str) -> bool:
    """Whether `text` ends in the item's answer. Working before the last "=" is not judged."""
    wanted, given = final_answer(item.answer), final_answer(text)
    if item.task in _CASE_MATTERS:
        return wanted == given
    return wanted.casefold() == given.casefold()
