/*
 * occupancy.h - how many sessions there are at once, in this process and by listener.
 *
 * Over all workers and snapshots: a listener is known by its vip's name, port and protocol, so a
 * reload changes no count. Knows no ceilings. Any thread, no locks.
 */
#pragma once
#include <stdint.h>

#include "userspace/model/model.h"

void occupancy_enter(const struct listener *listener);
void occupancy_leave(const struct listener *listener); /* for each that entered */
uint32_t occupancy_of_process(void);
uint32_t occupancy_of_listener(const struct listener *listener);
