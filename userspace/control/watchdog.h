/*
 * watchdog.h - tells the service manager that we are alive, but only while that is true.
 *
 * A worker whose loop does not turn makes all of shuntd useless to its part of the clients: then
 * nothing is said, and the service manager starts us anew (sd_watchdog_enabled(3), without its
 * library). Control thread only.
 */
#pragma once
#include <stdbool.h>

#include "userspace/net/loop.h"

struct watchdog;

/* is_well is asked a few times in each interval. NULL where nobody wants to know. */
struct watchdog *watchdog_create(struct loop *loop, bool (*is_well)(void *context), void *context);
void watchdog_destroy(struct watchdog *watchdog); /* accepts NULL */
