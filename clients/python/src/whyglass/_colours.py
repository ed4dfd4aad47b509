"""The colour maps that the server draws its figures with, each from 33 of its colours; a test compares them with the
server's own 256."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

_ANCHORS = {
    "turbo": "22171b3d2971493eae4a53d74469ee3b7ff83295f72aa9ee25bce025cdce29dcba32e9a63ff29251f97e66fd6d7dfd5d96fa4fabf5"
    "45c3ec3bd9e034ebd12df9c028ffad24ff9820ff821dfd6c19f05615df4111cb2e0cb61e07a31302950c00900c00",
    "viridis": "440154460c5f48186a482274472d7b4536814240853e49893a528b365b8c32638d2f6b8e2c728e297a8e26818e23898d20918c1f97"
    "8b1f9f8821a68527ad8030b57b3dbb744cc26c5cc8636ece5881d34c95d73faadb32bfdf24d5e21ae9e41afde725",
    "magma": "0000040303110a0822130d331d104628115a36106a430f7650127b5d177f691c817621818225818f2a819c2e7fa9327cb63679c23b75"
    "ce4070da476ae55063ee5b5ef4695cf8775cfb8760fd9668fea570feb47bfec286fed193fde0a1fceeb0fcfdbf",
    "inferno": "0000040302120b0724150b36210c4a2f0a5a3c09654a0b6a570f6d63146e70196e7d1d6c8a2269962666a32b61af315bbb3754c53d"
    "4dd04545da4e3ce35832ea6429f0711ef57e14f98c0afb9b06fcaa0ffbba1ff9c932f5d949f2e865f2f586fcffa4",
    "red-blue": "042f600d407816518d2061a02a70ae357fb8448ec0569dc86bacd082bad898c7dfadd2e5c0dcead0e4efdeebf1e9eef1f2efedf6"
    "ebe5f9e4d8fad9c8f9ccb5f7bca1f2aa8dec977ae48268db6d59d1574bc5413fb82d35a81d2d9411277e072267001f",
    "grey": "".join(f"{round(255 * i / 32):02x}" * 3 for i in range(33)),
}
NAMES = tuple(_ANCHORS)


@functools.cache
def table(name: str) -> npt.NDArray[np.uint8]:
    """256 colours, 256×3. Raises ValueError with the names that there are."""
    if name not in _ANCHORS:
        raise ValueError(f"there is no colour map '{name}'; there are {', '.join(NAMES)}")
    anchors = np.frombuffer(bytes.fromhex(_ANCHORS[name]), np.uint8).reshape(33, 3)
    places = np.round(np.linspace(0, 255, 33))
    channels = [np.interp(np.arange(256), places, anchors[:, channel]) for channel in range(3)]
    return np.round(np.stack(channels, axis=1)).astype(np.uint8)


def standard(signed: bool) -> str:
    return "red-blue" if signed else "turbo"
