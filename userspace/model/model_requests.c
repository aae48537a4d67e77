/* requests: of listeners: what is made of requests that endpoints may read otherwise than we do. */
#include "userspace/model/model_parts.h"

static void read_dots(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	static const char *const names[] = { "resolve", "refuse", "keep", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum path_dots *)into = (enum path_dots)word;
}

static void read_slashes(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	static const char *const names[] = { "refuse", "keep", "decode", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum path_slashes *)into = (enum path_slashes)word;
}

static void read_underscores(struct reading *r, const struct key *key, const struct yaml *value,
			     void *into)
{
	static const char *const names[] = { "drop", "refuse", "keep", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum underscores *)into = (enum underscores)word;
}

const struct key requests_keys[] = {
	{ "dot_segments", read_dots, offsetof(struct listener_requests, paths.dots) },
	{ "encoded_slashes", read_slashes, offsetof(struct listener_requests, paths.slashes) },
	{ "underscores", read_underscores, offsetof(struct listener_requests, underscores) },
	{ 0 },
};

void read_requests(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct listener_requests *requests = into;

	(void)key;
	requests->given = true;
	schema_read(r, requests_keys, value, requests);
}
