/*
 * traffic_names.h - what the numbers in samples are called, as a running daemon says.
 */
#pragma once
#include <stdint.h>

#include "tools/shuntctl/admin_get.h"
#include "userspace/base/err.h"

struct traffic_names;

enum { TRAFFIC_NAME_MAX = 128 };

/* NULL and *err where no daemon says them. */
struct traffic_names *traffic_names_get(const struct admin_at *admin, struct err *err);
void traffic_names_free(struct traffic_names *names); /* accepts NULL */
/* False where nobody has the number, or names is NULL. */
bool traffic_names_vip(const struct traffic_names *names, uint32_t tally,
		       char out_name[TRAFFIC_NAME_MAX]);
bool traffic_names_endpoint(const struct traffic_names *names, uint32_t id,
			    char out_name[TRAFFIC_NAME_MAX]);
/* Sets the bits of all listeners of a vip ("web", or one of them as "web:443"); false: none. */
bool traffic_names_find_vip(const struct traffic_names *names, const char *name, uint64_t *set);
/* By address ("192.0.2.31:53"), or all of an upstream by its name. */
bool traffic_names_find_endpoint(const struct traffic_names *names, const char *name,
				 uint64_t *set);
