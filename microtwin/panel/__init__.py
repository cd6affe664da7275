"""The operator's window: a live web page for the twin and for the rig.

Two processes. The *engine* owns the rig and runs the loop; the *server* shows pages and passes clicks on. They speak
through a pipe (:mod:`~microtwin.panel.messages`), and the engine turns the field off by itself when the operator's
browser, or the whole server, is gone.
"""
