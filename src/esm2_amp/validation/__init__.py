"""What proteins and pairs must be like. Everything wrong with a file is reported at once; what is untidy is put right.

Pandera checks what a cell must hold. What concerns two rows, or two files, is checked beside it.
"""
