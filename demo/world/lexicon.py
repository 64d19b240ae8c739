"""The words of the demo world: English with Chinese, and nouns with a regular plural."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun that phrases are built from; `measure` is the Chinese measure word it is counted with."""

    en: str
    plural: str
    zh: str
    measure: str


_NOUN_ROWS = """
cat cats 猫 只
dog dogs 狗 只
bird birds 鸟 只
horse horses 马 匹
cow cows 牛 头
pig pigs 猪 头
rabbit rabbits 兔子 只
tiger tigers 老虎 只
monkey monkeys 猴子 只
bear bears 熊 只
fish fish 鱼 条
sheep sheep 羊 只
snake snakes 蛇 条
chicken chickens 鸡 只
duck ducks 鸭子 只
elephant elephants 大象 头
panda pandas 熊猫 只
apple apples 苹果 个
orange oranges 橙子 个
banana bananas 香蕉 根
egg eggs 鸡蛋 个
cake cakes 蛋糕 块
potato potatoes 土豆 个
book books 书 本
pen pens 笔 支
table tables 桌子 张
chair chairs 椅子 把
bed beds 床 张
door doors 门 扇
window windows 窗户 扇
cup cups 杯子 个
knife knives 刀 把
bag bags 包 个
box boxes 盒子 个
hat hats 帽子 顶
shoe shoes 鞋 只
watch watches 手表 块
car cars 汽车 辆
bus buses 公交车 辆
train trains 火车 列
bicycle bicycles 自行车 辆
ship ships 船 艘
plane planes 飞机 架
house houses 房子 座
city cities 城市 座
school schools 学校 所
hospital hospitals 医院 家
shop shops 商店 家
road roads 路 条
bridge bridges 桥 座
river rivers 河 条
mountain mountains 山 座
lake lakes 湖 个
island islands 岛 座
star stars 星星 颗
tree trees 树 棵
flower flowers 花 朵
stone stones 石头 块
teacher teachers 老师 位
student students 学生 位
doctor doctors 医生 位
child children 孩子 个
friend friends 朋友 位
computer computers 电脑 台
phone phones 手机 部
picture pictures 画 幅
letter letters 信 封
"""
NOUNS: tuple[Noun, ...] = tuple(Noun(*row.split()) for row in _NOUN_ROWS.strip().splitlines())

ADJECTIVES: dict[str, str] = {
    "big": "大",
    "small": "小",
    "red": "红",
    "white": "白",
    "black": "黑",
    "new": "新",
    "old": "旧",
    "good": "好",
    "blue": "蓝色的",
    "green": "绿色的",
    "yellow": "黄色的",
    "beautiful": "漂亮的",
    "cheap": "便宜的",
    "expensive": "贵的",
    "clean": "干净的",
    "heavy": "重的",
}
"""As they stand before a noun."""

VERBS: dict[str, str] = {
    "like": "喜欢",
    "see": "看见",
    "have": "有",
    "want": "想要",
    "buy": "买",
    "sell": "卖",
    "need": "需要",
}
"""Verbs that take an object."""

PRONOUNS: dict[str, str] = {"I": "我", "You": "你", "We": "我们", "They": "他们"}

COUNTS: dict[str, str] = {
    "two": "两",
    "three": "三",
    "four": "四",
    "five": "五",
    "six": "六",
    "seven": "七",
    "eight": "八",
    "nine": "九",
    "ten": "十",
}
"""As they stand before a measure word."""

OTHER_WORDS: dict[str, str] = {
    "one": "一",
    "two": "二",
    "hundred": "百",
    "thousand": "千",
    "water": "水",
    "milk": "牛奶",
    "tea": "茶",
    "coffee": "咖啡",
    "rice": "米饭",
    "bread": "面包",
    "meat": "肉",
    "sugar": "糖",
    "salt": "盐",
    "sun": "太阳",
    "moon": "月亮",
    "earth": "地球",
    "sky": "天空",
    "sea": "大海",
    "wind": "风",
    "rain": "雨",
    "snow": "雪",
    "fire": "火",
    "spring": "春天",
    "summer": "夏天",
    "autumn": "秋天",
    "winter": "冬天",
    "today": "今天",
    "tomorrow": "明天",
    "yesterday": "昨天",
    "morning": "早上",
    "night": "夜晚",
    "mother": "妈妈",
    "father": "爸爸",
    "king": "国王",
    "music": "音乐",
    "money": "钱",
    "time": "时间",
    "hand": "手",
    "head": "头",
    "eye": "眼睛",
    "heart": "心",
    "eat": "吃",
    "drink": "喝",
    "run": "跑",
    "sleep": "睡觉",
    "read": "读",
    "write": "写",
    "sing": "唱歌",
    "swim": "游泳",
    "happy": "高兴",
    "cold": "冷",
    "hot": "热",
    "long": "长",
    "fast": "快",
    "slow": "慢",
    "thank you": "谢谢",
    "good morning": "早上好",
    "good night": "晚安",
    "goodbye": "再见",
}

WORDS: dict[str, str] = (
    {noun.en: noun.zh for noun in NOUNS}
    | {
        "red": "红色",
        "white": "白色",
        "black": "黑色",
        "blue": "蓝色",
        "green": "绿色",
        "yellow": "黄色",
        "big": "大",
        "small": "小",
        "new": "新",
        "old": "旧",
        "good": "好",
        "beautiful": "漂亮",
        "cheap": "便宜",
        "expensive": "贵",
        "clean": "干净",
        "heavy": "重",
    }
    | VERBS
    | {en: zh for en, zh in COUNTS.items() if en != "two"}
    | OTHER_WORDS
)
"""Single words (and a few fixed phrases) with their translation."""

_MORE_NOUNS = """
actor address army artist baby ball balloon band bank basket bath beach bell berry bike board boat body bone boss
bottle bowl boy branch brick brother brush bucket bug building bush butterfly button camera camp candle candy card
carpet carrot castle chain cherry church circle class clock cloud coat coin colour comb cookie corner country cousin
cover crown curtain daisy daughter day desk diary dish doll dollar dragon dream dress driver drum eagle ear engine
enemy factory fairy family farm farmer fence field finger flag floor fly fork fox frog fruit game garden gate gift
girl glass glove goat grape guitar hammer hill hobby hole horn hotel hour insect jacket jar job joke judge key kitchen
kite lady lamp leg lemon lesson line lion lip list lorry lunch machine map market mask match melon memory minute
mirror monster month mouth museum nail name neck needle nest noise nose nurse ocean office onion owl page palace paper
parent park party peach pencil penny people piano pie pillow pilot pipe plant plate player pocket poem point pond pony
pot prize puppy puzzle queen question radio ring robot rocket roof room rope rose ruler sandwich scarf sea seed shadow
shark shelf shirt sister skirt sock son song sound spider spoon square stair stamp station stick storm story street
string suit sweater table tail tent test thing ticket tiger toe tool tower town toy tractor trip truck turtle uncle
valley vase village wall wallet wave week wheel wing winner witch word worker world year zebra
"""
MORE_NOUNS: tuple[str, ...] = tuple(_MORE_NOUNS.split())
"""Nouns beyond those with a translation; the plural of each follows the rules unless `words` says otherwise."""
