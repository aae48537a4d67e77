/*
 * objects.h - the embedded BPF objects: opened, given the pinned maps, verified.
 *
 * Maps are made once and pinned by name; every later load takes the pinned ones, after comparing
 * their shape and ABI_VERSION.
 */
#pragma once
#include <stdbool.h>

#include "bpf/abi/map_sizes.h"
#include "userspace/base/err.h"

struct objects;

enum object { OBJECT_XDP, OBJECT_TC, OBJECT_STEER, OBJECT_QUERY, OBJECT_TC_INGRESS, OBJECTS };

/* pin_dir must be prepared. NULL and the verifier's last words in *err where one is refused. */
/* tc_ingress is loaded only where it is wanted: to verify it takes as long as all others. Maps that
 * are not pinned yet are made of these sizes. */
struct objects *objects_load(const char *pin_dir, bool tc_ingress, const struct map_sizes *sizes,
			     struct err *err);
void objects_close(struct objects *objects); /* pins and attachments stay */
/* File descriptor of its one program; borrowed. */
int objects_program(const struct objects *objects, enum object which);
/* Removes the pins of all maps. */
void objects_unpin_maps(const char *pin_dir);
