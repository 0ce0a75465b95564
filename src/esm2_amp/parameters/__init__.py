"""Parameters: for each file `conf/base/parameters_<name>.yml` a module `<name>` with the classes that check it."""
