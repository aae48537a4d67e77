/*
 * ports.h - the source ports that belong to us: given out once per endpoint, freed only when the
 * flow entries that use them are gone.
 *
 * The range is excluded from the kernel's ephemeral ports (net.ipv4.ip_local_reserved_ports), since
 * after the silent close the kernel would take the port of a spliced connection for free.
 * Any thread; a lock is held for the search in one bitmap.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/addr.h"

struct ports;

struct ports *ports_create(uint16_t first, uint16_t last); /* host order, inclusive */
void ports_destroy(struct ports *ports);

/* 0 where all are in use towards this endpoint, or too many endpoints have ports in use. */
uint16_t ports_take(struct ports *ports, const struct addr *to);
/* For adoption: marks a port that is in use; false where it is already, or not in the range. */
bool ports_mark(struct ports *ports, const struct addr *to, uint16_t port);
void ports_give(struct ports *ports, const struct addr *to, uint16_t port);
/* Towards all endpoints. */
uint32_t ports_in_use(struct ports *ports);
