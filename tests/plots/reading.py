"""What a picture says, read back from its Axes."""


def x_labels(ax):
    return [label.get_text() for label in ax.get_xticklabels()]


def y_labels(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def cells(ax, size=8, gap=1):
    """Rows and columns of images of a mosaic."""
    height, width = ax.images[0].get_array().shape[:2]
    return (height + gap) // (size + gap), (width + gap) // (size + gap)
