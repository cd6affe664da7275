"""Strip charts of the last minute on one canvas, drawn by the browser from the packets it has anyway.

The work is done by strips.js and the modules in charts/.
"""

from nicegui.element import Element


class Strips(Element, component="strips.js", esm={"microtwin-charts": "charts"}):
    """Error, distance to goal, α and γ, frequency, coils, latency, dropped frames; fills its container.

    Fed by the event ``microtwin-packet`` of :class:`~microtwin.panel.page.microscope.MicroscopeView` on the same page:
    it costs the server nothing. What a recording does not tell has no chart. Charts are stacked in as many columns as
    fit; where they do not fit the height, the canvas scrolls.
    """
