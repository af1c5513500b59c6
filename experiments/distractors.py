from moved import stop

stop(__file__)
