"""Parts that printed figures of several chapters share (Matplotlib)."""

from matplotlib.axes import Axes


def label_axes(axes: Axes, x: str, y: str, *, size: float = 8) -> None:
    """Name both axes in a font of `size` points, number them one point smaller, and leave only their two lines."""
    axes.set_xlabel(x, fontsize=size)
    axes.set_ylabel(y, fontsize=size)
    axes.tick_params(which="both", labelsize=size - 1)
    axes.spines[["top", "right"]].set_visible(False)
