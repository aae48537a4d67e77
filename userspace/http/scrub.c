#include "userspace/http/scrub.h"

#include "userspace/http/message.h"

enum { NAME_MAX_BYTES = 64 }; /* no field that anybody reads by heart is longer */

/* What many programs write as the same letter: "_", and "." and all else that is no letter. */
static bool is_odd(char c)
{
	bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

	return !letter && c != '-' && !(c >= '0' && c <= '9');
}

/* As a program sees it that knows no "-". */
static bool is_as_variable(struct span name, struct span other)
{
	size_t i = 0;

	while (i < name.len && name.len == other.len &&
	       (span_lower(name.at[i]) == span_lower(other.at[i]) ||
		(is_odd(name.at[i]) && (other.at[i] == '-' || is_odd(other.at[i])))))
		i++;
	return i == name.len && name.len == other.len;
}

static bool is_set(struct span name, const struct scrub *rules)
{
	for (size_t i = 0; i < SCRUB_SETS; i++)
		if (rules->set[i].at && is_as_variable(name, rules->set[i]))
			return true;
	return false;
}

static bool looks_known(struct span name, const struct scrub *rules)
{
	char dashed[NAME_MAX_BYTES];

	if (is_set(name, rules))
		return true;
	if (name.len > sizeof(dashed))
		return false;
	for (size_t i = 0; i < name.len; i++)
		dashed[i] = is_odd(name.at[i]) ? '-' : name.at[i];
	return field_identify(span_make(dashed, name.len)) != FIELD_OTHER;
}

static bool has_underscore(struct span name)
{
	return memchr(name.at, '_', name.len) != NULL;
}

static bool has_odd(struct span name)
{
	size_t i = 0;

	while (i < name.len && !is_odd(name.at[i]))
		i++;
	return i < name.len;
}

static bool must_go(struct span name, const struct scrub *rules)
{
	if (name.len == 5 && span_is_nocase(name, SPAN("proxy")))
		return true;
	if (!has_odd(name))
		return false;
	return (rules->underscores != UNDERSCORES_KEEP && has_underscore(name)) ||
	       looks_known(name, rules);
}

bool scrub_request(struct message *msg, const struct scrub *rules)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; rules->underscores == UNDERSCORES_REFUSE && i < msg->field_count; i++)
		if (has_underscore(msg->fields[i].name))
			return false;
	for (uint16_t i = 0; i < msg->field_count; i++) {
		if (must_go(msg->fields[i].name, rules))
			continue;
		if (kept != i)
			msg->fields[kept] = msg->fields[i];
		kept++;
	}
	msg->field_count = kept;
	return true;
}

bool scrub_may_trail(struct span line, const struct scrub *rules)
{
	const char *colon = memchr(line.at, ':', line.len);

	struct span name = span_make(line.at, colon ? (size_t)(colon - line.at) : 0);

	/* In the head what we set takes the place of what was said; behind it nothing does. */
	return colon && !must_go(name, rules) && !is_set(name, rules);
}
