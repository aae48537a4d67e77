/*
 * yaml_merge.h - several documents as one: a directory of configuration.
 *
 * Knows two levels: sections of the same name become one, lists end to end and maps key by key; a
 * key that two files give is a mistake. Knows nothing of what sections mean.
 */
#pragma once
#include "userspace/config/yaml.h"

/* An empty map to merge into. */
struct yaml *yaml_merge_begin(const struct yaml_room *room, const char *name);
/* Takes from, whose nodes belong to into afterwards. False and a sentence at the first clash. */
bool yaml_merge(struct yaml *into, struct yaml *from, struct err *err);
