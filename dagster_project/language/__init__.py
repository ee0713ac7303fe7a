"""The recipe language: YAML files become one resolved, validated graph of stages. Nothing here runs a stage.

``files`` reads YAML with line numbers, ``words`` says what may be written, ``expand`` unrolls ``for_each`` and ``use``,
``bind`` joins stages to inputs, ``load`` is the door. The result is :class:`resolved.Recipe`.
"""
