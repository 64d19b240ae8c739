"""The facts of the demo world: rows of names and numbers, each in English and Chinese."""

COUNTRIES = """
France|法国|Paris|巴黎|Europe
Germany|德国|Berlin|柏林|Europe
Italy|意大利|Rome|罗马|Europe
Spain|西班牙|Madrid|马德里|Europe
Portugal|葡萄牙|Lisbon|里斯本|Europe
Greece|希腊|Athens|雅典|Europe
Austria|奥地利|Vienna|维也纳|Europe
Poland|波兰|Warsaw|华沙|Europe
Russia|俄罗斯|Moscow|莫斯科|Europe
Norway|挪威|Oslo|奥斯陆|Europe
Sweden|瑞典|Stockholm|斯德哥尔摩|Europe
Finland|芬兰|Helsinki|赫尔辛基|Europe
Ireland|爱尔兰|Dublin|都柏林|Europe
England|英格兰|London|伦敦|Europe
China|中国|Beijing|北京|Asia
Japan|日本|Tokyo|东京|Asia
India|印度|New Delhi|新德里|Asia
Thailand|泰国|Bangkok|曼谷|Asia
Vietnam|越南|Hanoi|河内|Asia
South Korea|韩国|Seoul|首尔|Asia
Mongolia|蒙古|Ulaanbaatar|乌兰巴托|Asia
Iran|伊朗|Tehran|德黑兰|Asia
Egypt|埃及|Cairo|开罗|Africa
Kenya|肯尼亚|Nairobi|内罗毕|Africa
Morocco|摩洛哥|Rabat|拉巴特|Africa
Canada|加拿大|Ottawa|渥太华|North America
Mexico|墨西哥|Mexico City|墨西哥城|North America
Cuba|古巴|Havana|哈瓦那|North America
Brazil|巴西|Brasilia|巴西利亚|South America
Argentina|阿根廷|Buenos Aires|布宜诺斯艾利斯|South America
Chile|智利|Santiago|圣地亚哥|South America
Peru|秘鲁|Lima|利马|South America
Australia|澳大利亚|Canberra|堪培拉|Oceania
New Zealand|新西兰|Wellington|惠灵顿|Oceania
"""
CONTINENTS = {
    "Europe": "欧洲",
    "Asia": "亚洲",
    "Africa": "非洲",
    "North America": "北美洲",
    "South America": "南美洲",
    "Oceania": "大洋洲",
}

ELEMENTS = """
hydrogen|氢|H|1
helium|氦|He|2
lithium|锂|Li|3
carbon|碳|C|6
nitrogen|氮|N|7
oxygen|氧|O|8
neon|氖|Ne|10
sodium|钠|Na|11
magnesium|镁|Mg|12
aluminium|铝|Al|13
silicon|硅|Si|14
sulfur|硫|S|16
chlorine|氯|Cl|17
potassium|钾|K|19
calcium|钙|Ca|20
iron|铁|Fe|26
copper|铜|Cu|29
zinc|锌|Zn|30
silver|银|Ag|47
tin|锡|Sn|50
gold|金|Au|79
mercury|汞|Hg|80
lead|铅|Pb|82
uranium|铀|U|92
"""
PLANETS = """
Mercury|水星
Venus|金星
Earth|地球
Mars|火星
Jupiter|木星
Saturn|土星
Uranus|天王星
Neptune|海王星
"""
MONTHS = """
January|31
February|28
March|31
April|30
May|31
June|30
July|31
August|31
September|30
October|31
November|30
December|31
"""
LEGS = """
spider|蜘蛛|8
ant|蚂蚁|6
bee|蜜蜂|6
dog|狗|4
horse|马|4
chicken|鸡|2
snake|蛇|0
crab|螃蟹|10
"""
SIDES = """
triangle|三角形|3
square|正方形|4
pentagon|五边形|5
hexagon|六边形|6
heptagon|七边形|7
octagon|八边形|8
decagon|十边形|10
"""
CURRENCIES = """
China|中国|yuan|元
Japan|日本|yen|日元
India|印度|rupee|卢比
Russia|俄罗斯|rouble|卢布
South Korea|韩国|won|韩元
Thailand|泰国|baht|泰铢
France|法国|euro|欧元
England|英格兰|pound|英镑
"""
COUNTED = """
How many days are there in a week?|一周有几天？|7
How many hours are there in a day?|一天有几个小时？|24
How many minutes are there in an hour?|一小时有几分钟？|60
How many months are there in a year?|一年有几个月？|12
How many days are there in a leap year?|闰年有多少天？|366
How many years are there in a century?|一个世纪有多少年？|100
How many letters are there in the English alphabet?|英语有多少个字母？|26
How many players are there in a football team?|一支足球队有几名球员？|11
How many strings does a violin have?|小提琴有几根弦？|4
How many keys does a piano have?|钢琴有多少个键？|88
How many bones does an adult have?|成年人有多少块骨头？|206
How many continents are there?|世界上有几个大洲？|7
How many planets are there in the solar system?|太阳系有几颗行星？|8
How many degrees are there in a right angle?|直角是多少度？|90
How many degrees are there in a circle?|一个圆周是多少度？|360
How many colours are there in a rainbow?|彩虹有几种颜色？|7
At how many degrees Celsius does water boil?|水在多少摄氏度沸腾？|100
At how many degrees Celsius does water freeze?|水在多少摄氏度结冰？|0
How many sides does a cube have?|正方体有几个面？|6
How many squares does a chess board have?|国际象棋棋盘有多少个格子？|64
"""


def rows(table: str) -> list[list[str]]:
    """A table above as lists of cells."""
    return [line.split("|") for line in table.strip().splitlines()]
