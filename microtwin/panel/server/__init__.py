"""The web server: who may do what, the stream of pictures, past runs. It never touches the rig."""
