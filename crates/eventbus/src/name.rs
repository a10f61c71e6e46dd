//! Names on the bus, made of names of objects such that two different things never share one.
