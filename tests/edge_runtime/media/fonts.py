"""Fonts for tests: a file with one letter, and a process that has not drawn yet."""

from edge_runtime.media import font

CAT = "猫"


def forget_fonts():
    """As in a process that has not drawn yet."""
    for cached in (font._own_font, font._open, font._file_with):
        cached.cache_clear()


def write_font(path):
    """A TrueType file that has no letter but CAT."""
    from fontTools.fontBuilder import FontBuilder  # the runtime's tests run without it, too
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    def square(low, high):
        pen = TTGlyphPen(None)
        pen.moveTo((low, low))
        for corner in ((low, high), (high, high), (high, low)):
            pen.lineTo(corner)
        pen.closePath()
        return pen.glyph()

    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", "cat"])
    builder.setupCharacterMap({ord(CAT): "cat"})
    builder.setupGlyf({".notdef": square(100, 200), "cat": square(0, 900)})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "cat": (1000, 0)})
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "A cat", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=900, usWinAscent=900, usWinDescent=100)
    builder.setupPost()
    builder.save(path)
