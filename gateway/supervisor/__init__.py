"""Run the gateway: journal first, then the drivers, then the network; keep each alive by itself.

* ``gateway``: one running gateway, from its start to its end; begin reading here.
* ``crew``: the running drivers, each restarted by itself.
* ``changes``: what a new configuration asks of a running gateway. Pure.
* ``observe``: how the gateway stands, as one value.
* ``pulse``: signs of life to the service manager.
* ``memory``: what starting took goes back to the machine.

The only place of the gateway that catches every exception: a driver with a bug is restarted like
one whose cable was pulled, and the others go on.
"""
