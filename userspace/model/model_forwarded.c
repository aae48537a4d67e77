/* forwarded: of listeners: who is believed about a request's way, and what endpoints are told. */
#include "userspace/model/model_parts.h"

const struct listener_forwarded default_forwarded = {
	.modes = { .via = FORWARDED_APPEND,
		   .x_forwarded_for = FORWARDED_APPEND,
		   .x_forwarded_proto = FORWARDED_SET,
		   .x_forwarded_host = FORWARDED_SET,
		   .forwarded = FORWARDED_OFF },
};

static void read_mode(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	static const char *const names[] = { "off", "append", "set", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum forwarded_mode *)into = (enum forwarded_mode)word;
}

const struct key forwarded_keys[] = {
	{ "trusted", read_networks, offsetof(struct listener_forwarded, trusted) },
	{ "via", read_mode, offsetof(struct listener_forwarded, modes.via) },
	{ "x_forwarded_for", read_mode,
	  offsetof(struct listener_forwarded, modes.x_forwarded_for) },
	{ "x_forwarded_proto", read_mode,
	  offsetof(struct listener_forwarded, modes.x_forwarded_proto) },
	{ "x_forwarded_host", read_mode,
	  offsetof(struct listener_forwarded, modes.x_forwarded_host) },
	{ "forwarded", read_mode, offsetof(struct listener_forwarded, modes.forwarded) },
	{ 0 },
};

void read_forwarded(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct listener_forwarded *forwarded = into;

	(void)key;
	forwarded->given = true;
	schema_read(r, forwarded_keys, value, forwarded);
}
