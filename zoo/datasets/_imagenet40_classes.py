"""The 40 ImageNet classes of the block-design set, in the order of the released labels."""

from __future__ import annotations

#: (synset, name); the index is the label in the released files.
CLASSES = (
    ("n02389026", "sorrel"),
    ("n03888257", "parachute"),
    ("n03584829", "iron"),
    ("n02607072", "anemone fish"),
    ("n03297495", "espresso maker"),
    ("n03063599", "coffee mug"),
    ("n03792782", "mountain bike"),
    ("n04086273", "revolver"),
    ("n02510455", "giant panda"),
    ("n11939491", "daisy"),
    ("n02951358", "canoe"),
    ("n02281787", "lycaenid"),
    ("n02106662", "German shepherd"),
    ("n04120489", "running shoe"),
    ("n03590841", "jack-o'-lantern"),
    ("n02992529", "cellular telephone"),
    ("n03445777", "golf ball"),
    ("n03180011", "desktop computer"),
    ("n02906734", "broom"),
    ("n07873807", "pizza"),
    ("n03773504", "missile"),
    ("n02492035", "capuchin"),
    ("n03982430", "pool table"),
    ("n03709823", "mailbag"),
    ("n03100240", "convertible"),
    ("n03376595", "folding chair"),
    ("n03877472", "pajama"),
    ("n03775071", "mitten"),
    ("n03272010", "electric guitar"),
    ("n04069434", "reflex camera"),
    ("n03452741", "grand piano"),
    ("n03792972", "mountain tent"),
    ("n07753592", "banana"),
    ("n13054560", "bolete"),
    ("n03197337", "digital watch"),
    ("n02504458", "African elephant"),
    ("n02690373", "airliner"),
    ("n03272562", "electric locomotive"),
    ("n04044716", "radio telescope"),
    ("n02124075", "Egyptian cat"),
)
SYNSETS = tuple(synset for synset, _ in CLASSES)
NAMES = tuple(name for _, name in CLASSES)
