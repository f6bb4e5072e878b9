"""Made-up Chinese names in characters, and as they are spelled in letters: 王小明 is Wang Xiaoming, 安娜 is Anna.

Those of people are a surname, of the hundred that most have, and one or two characters of given names, spelled apart
(GB/T 28039-2011). Those from abroad are two to four of the characters that render sounds, spelled in one. Either is the
pinyin of its characters, without tones. Syllables that would need an apostrophe stand in first place only, and a name
from abroad does not begin with one of those surnames. What the texts hold already is no made-up name, 韩国 for one.
"""

import re
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import numpy as np

from minnow.data.made_up_names import TRIES
from minnow.data.renderings import stretches
from minnow.text.language import subtags

FROM_ABROAD = 0.5  # share of the names
LONGEST = 4  # characters of a name
MOST_TEXTS = 100_000  # that are looked through for what a name may not be
_SIMPLIFIED, _TRADITIONAL = frozenset({"hans", "cn", "sg", "my"}), frozenset({"hant", "tw", "hk", "mo"})
_SURNAMES = (
    "bai白 cai蔡 cao曹 chen陈 cheng程 cui崔 dai戴 deng邓 ding丁 dong董 du杜 duan段 fan范 fang方 feng冯 fu傅 gao高 "
    "gong龚 gu顾 guo郭 han韩 hao郝 he何贺 hong洪 hou侯 hu胡 huang黄 jia贾 jiang蒋姜江 jin金 kong孔 lai赖 lei雷 "
    "li李黎 liang梁 liao廖 lin林 liu刘 long龙 lu卢陆 luo罗 ma马 mao毛 meng孟 mo莫 pan潘 peng彭 qian钱 qin秦 qiu邱 "
    "shao邵 shen沈 shi石史 song宋 su苏 sun孙 tan谭 tang唐 tao陶 tian田 wan万 wang王汪 wei魏韦 wu吴武 xia夏 xiao萧 "
    "xie谢 xiong熊 xu徐许 xue薛 yan阎严 yang杨 yao姚 ye叶 yin尹 yu于余 yuan袁 zhang张 zhao赵 zheng郑 zhong钟 zhou周 "
    "zhu朱 zou邹"
)
_GIVEN = (
    "bai柏 bang邦 bei北 bin斌 bing冰 bo波博 cai彩才 chao超 chen晨辰 cheng成诚 chuan川 chun春 cui翠 da达 de德 ding定 "
    "dong东冬 fan帆 fang芳 fei飞 feng峰凤锋 fu福 gang刚钢 guang光 gui桂贵 guo国 hai海 han涵 hang航 hao浩昊 he河 "
    "heng恒 hong红 hu湖 hua华 hui辉慧 jia佳嘉 jian健建 jiang江 jie杰洁 jing静晶 ju菊 juan娟 jun军俊 kai凯 kang康 "
    "kun坤 lan兰 lei磊 li丽力莉立礼 liang亮良 lin琳林 ling玲岭铃 long龙 mei梅美 meng梦 min敏民 ming明铭 na娜 nan南 "
    "ning宁 peng鹏 ping平萍 qi琪启奇 qian倩 qiang强 qin琴 qing清青 qiu秋 ren仁 rong荣 ru如 rui瑞睿 sen森 shan山善 "
    "sheng生 shi诗石 shu书 si思 song松 tao涛 tian天 tie铁 ting婷 wei伟 wen文 xi西 xia霞夏 xian仙 xiang翔祥香 "
    "xiao小晓 xin欣心新信 xing星兴 xiu秀 xu旭 xuan轩 xue雪学 yan艳燕岩彦 yang洋阳 yao瑶 yi怡意义仪毅 ying英颖莹 "
    "yong勇永 yu玉宇雨 yuan元远 yue月 yun云 ze泽 zhe哲 zhen珍震振真 zheng铮 zhi志智 zhong中 zhu珠竹 zi梓子"
)
_SOUNDS = (
    "a阿 ai埃艾 an安 ao奥 ba巴 bao保 bei贝 ben本 bi比 bo波博 bu布 cha查 da达 dai黛 dan丹 de德 di迪蒂 du杜 duo多 e厄 "
    "er尔 fa法 fei菲费 fu弗福 gai盖 ge戈格 gu古 ha哈 hai海 han汉 he赫 heng亨 hu胡 ji吉 jia加贾 jie杰 ka卡 kai凯 "
    "ke科克 ken肯 ku库 la拉 lai莱 lan兰 lao劳 lei雷蕾 li里丽利黎莉 lie列 lin林琳 long龙 lu卢鲁路露 lun伦 luo罗洛 "
    "ma马玛 mai迈 man曼 mei梅 men门 meng蒙 mi米密 mo莫 mu姆穆 na纳娜 nei内 ni尼妮 nuo诺 pa帕 pei佩 pi皮 pu普 qi奇琪 "
    "qiao乔 rong蓉 sa萨 sai塞 sang桑 sen森 sha沙莎 si斯丝 su苏 suo索 ta塔 tai泰 tan坦 tang汤 te特 ti提 ting廷 tu图 "
    "tuo托 wa瓦娃 wan万 wei威韦维薇 wen温文 wo沃 wu乌 xi西希 xia夏 xin辛 ya亚娅 yang扬 ye耶 yi伊 yin因 you尤 ze泽 "
    "zha扎 zhan詹 zhu朱 zuo佐"
)
_AS_TRADITIONAL = str.maketrans(
    "张刘陈杨黄赵吴孙马罗郑谢许邓冯韩萧叶蒋苏卢钟谭陆贾韦邹阎龙贺顾龚万钱严赖伟静丽强军艳杰涛兰刚红辉凯轩泽国华云飞鹏"
    "凤荣贵东诗梦瑶颖洁莹阳宁晓书学义礼诚仪岭恒达远启彦铭锋钢铁铮铃兴奥贝尔费盖汉库莱劳鲁伦玛迈门纳内诺乔萨丝汤图维温乌"
    "亚扬娅",
    "張劉陳楊黃趙吳孫馬羅鄭謝許鄧馮韓蕭葉蔣蘇盧鍾譚陸賈韋鄒閻龍賀顧龔萬錢嚴賴偉靜麗強軍艷傑濤蘭剛紅輝凱軒澤國華雲飛鵬"
    "鳳榮貴東詩夢瑤穎潔瑩陽寧曉書學義禮誠儀嶺恆達遠啟彥銘鋒鋼鐵錚鈴興奧貝爾費蓋漢庫萊勞魯倫瑪邁門納內諾喬薩絲湯圖維溫烏"
    "亞揚婭",
)
_AS_SIMPLIFIED = {new: old for old, new in _AS_TRADITIONAL.items()}
_Choices = tuple[tuple[str, str], ...]  # characters and their syllables


class MadeUpName(NamedTuple):
    """In characters, and in letters."""

    written: str
    spelled: str


class ChineseNames:
    """Draws such as the texts do not hold."""

    def __init__(self, texts: Iterable[str] = ()):
        sounds, surnames, given = _readings(_SOUNDS), _readings(_SURNAMES), _readings(_GIVEN)
        first = [(one, sound) for one, sound in sounds.items() if one not in surnames]
        self._surnames, self._given = tuple(surnames.items()), tuple(given.items())
        self._first: dict[bool | None, _Choices] = {
            vowel: tuple(choice for choice in first if vowel in (None, _is_vowel(choice[1])))
            for vowel in (None, False, True)
        }
        self._inner = tuple((one, sound) for one, sound in sounds.items() if not _is_vowel(sound))
        self._known = _stretches(islice(texts, MOST_TEXTS), {*sounds, *surnames, *given})

    def name(
        self, random: np.random.Generator, vowel: bool | None = None, traditional: float = 0.5
    ) -> MadeUpName | None:
        """One that begins with a vowel, or with none, or either way; None where some tries bring only known ones.

        Args:
            traditional: share of the names that are written in traditional characters.
        """
        for _ in range(TRIES):
            written, spelled = self._drawn(random, vowel)
            if written not in self._known:
                there = written.translate(_AS_TRADITIONAL) if random.random() < traditional else written
                return MadeUpName(there, spelled)
        return None

    def _drawn(self, random: np.random.Generator, vowel: bool | None) -> MadeUpName:
        """No surname begins with a vowel."""
        abroad = vowel or random.random() < FROM_ABROAD
        first, rest, most = (self._first[vowel], self._inner, 3) if abroad else (self._surnames, self._given, 2)
        one, sound = first[int(random.integers(len(first)))]
        others = [rest[place] for place in random.integers(len(rest), size=random.integers(1, most, endpoint=True))]
        sounds = "".join(other for _, other in others)
        spelled = (sound + sounds).title() if abroad else f"{sound} {sounds}".title()
        return MadeUpName(one + "".join(other for other, _ in others), spelled)


def traditional_share(language: str) -> float:
    """Of names in traditional characters, by the code of a language, ``zh-Hant`` or ``zh_CN``; half where none says."""
    tags = set(subtags(language))
    return 1.0 if tags & _TRADITIONAL else 0.0 if tags & _SIMPLIFIED else 0.5


def _readings(table: str) -> dict[str, str]:
    """The syllable of each character."""
    readings: dict[str, str] = {}
    for group in table.split():
        sound = group.rstrip(group.lstrip("abcdefghijklmnopqrstuvwxyz"))
        readings.update((one, sound) for one in group.removeprefix(sound))
    return readings


def _is_vowel(sound: str) -> bool:
    """``y`` is none in pinyin."""
    return sound[0] in "aeo"


def _stretches(texts: Iterable[str], characters: Iterable[str]) -> frozenset[str]:
    """All that could be a name, in simplified characters."""
    of_names = re.compile(f"[{''.join(characters)}]{{2,}}")
    return stretches((run for text in texts for run in of_names.findall(text.translate(_AS_SIMPLIFIED))), LONGEST)
