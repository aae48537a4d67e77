/* retry: of routes. */
#include <stdio.h>
#include <string.h>

#include "userspace/model/model_parts.h"

enum { BODY_MOST = 32768, BACKOFF_MS_MAX = 10000 };

static const struct retry default_retry = { .on = RETRY_CONNECT | RETRY_RESET,
					    .attempts = 1,
					    .backoff_ms = 25,
					    .budget = 20,
					    .budget_least = 3 };

static bool take_status(struct retry *retry, const char *text)
{
	unsigned first, last;
	char end;

	if (sscanf(text, "%3u-%3u%c", &first, &last, &end) != 2) {
		if (sscanf(text, "%3u%c", &first, &end) != 1)
			return false;
		last = first;
	}
	if (first < 400 || first > last || last > 599 || retry->status_count == RETRY_STATUSES_MAX)
		return false;
	retry->statuses[retry->status_count++] =
		(struct status_range){ (uint16_t)first, (uint16_t)last };
	return true;
}

static bool take_cause(struct retry *retry, const char *text)
{
	static const char *const causes[] = { "connect", "reset", "timeout" };

	for (uint32_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (strcmp(text, causes[i]) == 0) {
			retry->on |= 1u << i;
			return true;
		}
	return take_status(retry, text);
}

static void read_on(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct retry *retry = into;

	(void)key;
	if (!schema_is(r, value, YAML_LIST, "a list such as [connect, reset, 503]"))
		return;
	retry->on = 0;
	for (const struct yaml *v = value->first; v; v = v->next)
		if (v->kind != YAML_TEXT || !take_cause(retry, v->text))
			finding(r, v->at,
				"expected connect, reset, timeout, or at most %d statuses of 400 "
				"to 599 and ranges of them such as \"502-504\", found %s",
				RETRY_STATUSES_MAX, schema_found(v));
}

static void read_methods(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	static const char *const names[] = { "idempotent", "any", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(bool *)into = word == 1;
}

static void read_body(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	uint64_t bytes = 0;

	read_size(r, key, value, &bytes);
	*(uint32_t *)into = (uint32_t)bytes;
}

const struct key retry_keys[] = {
	{ "on", read_on },
	{ "attempts", read_number, offsetof(struct retry, attempts), 1, RETRY_ATTEMPTS_MAX },
	{ "methods", read_methods, offsetof(struct retry, any_method) },
	{ "body", read_body, offsetof(struct retry, body_bytes), 0, BODY_MOST },
	{ "backoff", read_duration, offsetof(struct retry, backoff_ms), 0, BACKOFF_MS_MAX },
	{ "budget", read_number, offsetof(struct retry, budget), 0, 100 },
	{ "budget_least", read_number, offsetof(struct retry, budget_least), 0, 1000 },
	{ 0 },
};

void read_retry(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct retry *retry = arena_take(r->arena, sizeof(*retry));

	(void)key;
	*retry = default_retry;
	schema_read(r, retry_keys, value, retry);
	*(const struct retry **)into = retry;
}
