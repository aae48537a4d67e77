/*
 * daemon.h - shuntd from its start to its end: the control thread.
 */
#pragma once
#include <stdbool.h>

#include "userspace/control/arguments.h"

/* Returns the exit code; everything that goes wrong was logged. */
int daemon_run(const struct arguments *arguments);
/* Reads the configuration and says what is wrong or that it is good; returns the exit code. */
int daemon_check(const struct arguments *arguments);
