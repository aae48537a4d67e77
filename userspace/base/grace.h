/*
 * grace.h - waits until every processor has left what it was doing in the kernel just now.
 */
#pragma once

/* An RCU grace period: tens of milliseconds. Any thread. */
void grace_wait(void);
