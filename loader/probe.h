/*
 * probe.h - what this kernel can do for us, and what is lost where it cannot.
 */
#pragma once
#include <stdbool.h>

/* To standard output; false where something is missing without which there is no fast path. */
bool probe_print(bool json);
