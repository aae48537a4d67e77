/*
 * reserved_ports.h - ports that the kernel must give to no socket (ip_local_reserved_ports).
 */
#pragma once
#include <stdint.h>

/* Host order, inclusive. Where that cannot be, a warning says what to set; nothing else fails. */
void reserved_ports_add(uint16_t first, uint16_t last);
