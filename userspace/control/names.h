/*
 * names.h - what the names of endpoints stand for, for people. Control thread.
 */
#pragma once
#include "userspace/upstream/resolver.h"

/* JSON: a list, owned by the caller. now_ms: of the resolver's loop. */
char *names_print(const struct resolver *resolver, uint64_t now_ms);
