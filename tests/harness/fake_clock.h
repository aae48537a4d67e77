/*
 * fake_clock.h - the clocks of this process, put forward, so that no test waits for a timer.
 *
 * Holds for all that ask the C library for the time, libev included. What the kernel waits for by
 * itself (epoll_wait, nanosleep) takes as long as ever.
 */
#pragma once
#include <stdint.h>

void fake_clock_advance(uint64_t ms);
