/*
 * attach.h - programs to their hooks, and back: what shunt-loader and shuntd's start have in
 * common.
 *
 * Short-lived and privileged; one thread. All or nothing: what fails half-way is undone.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi/map_sizes.h"
#include "userspace/base/err.h"

/* AUTO: attach_pick() decides. */
enum attach_mode { ATTACH_AUTO, ATTACH_NATIVE, ATTACH_GENERIC, ATTACH_TC };

enum { ATTACH_DEVICES_MAX = 16, NOTICES_MAX = 8 };

struct attach_options {
	const char *pin_dir;
	const char *devices[ATTACH_DEVICES_MAX];
	uint32_t device_count;
	enum attach_mode mode;
	const struct map_sizes *sizes; /* of maps that are made; NULL: sizing_usual() */
	const char *cgroup; /* NULL: the sockets' state cannot be read, nothing is spliced */
};

/* What was done otherwise than one may expect; whole sentences. */
struct notices {
	struct err list[NOTICES_MAX];
	uint32_t count;
};

/* What is attached; for status. */
struct attached {
	char device[32];
	uint32_t ifindex;
	enum attach_mode mode; /* never AUTO */
	uint32_t program_id;
};

/* Devices that have our program already get the new one without a gap. */
bool attach_all(const struct attach_options *options, struct notices *out_notices, struct err *err);
/* device NULL: from all, and everything pinned is removed. */
bool attach_undo(const char *pin_dir, const char *device, struct err *err);
/* Returns how many of the devices are filled in; 0 where nothing is attached. */
uint32_t attach_status(const char *pin_dir, struct attached out_devices[ATTACH_DEVICES_MAX]);
bool attach_is(const char *pin_dir); /* something is pinned there */

void notice(struct notices *notices, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
