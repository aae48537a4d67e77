#include "tools/shuntctl/written_diff.h"

#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 256, OF_BYTES = 600, TEXT_BYTES = 160 };

bool written_same(const struct yaml *a, const struct yaml *b)
{
	const struct yaml *of = a->first;

	if (a->kind != b->kind || a->count != b->count)
		return false;
	if (a->kind == YAML_TEXT)
		return strcmp(a->text, b->text) == 0;
	if (a->kind == YAML_LIST) {
		const struct yaml *to = b->first;

		for (; of && to && written_same(of, to); of = of->next)
			to = to->next;
		return !of && !to;
	}
	for (; of; of = of->next) {
		const struct yaml *to = yaml_get(b, of->key);

		if (!to || !written_same(of, to))
			return false;
	}
	return true;
}

static size_t tell(char *text, size_t len, const struct yaml *value)
{
	bool map = value->kind == YAML_MAP;

	if (len >= TEXT_BYTES)
		return len;
	if (value->kind == YAML_TEXT)
		return len + (size_t)snprintf(text + len, TEXT_BYTES - len, "%s", value->text);
	len += (size_t)snprintf(text + len, TEXT_BYTES - len, map ? "{" : "[");
	for (const struct yaml *one = value->first; one && len < TEXT_BYTES; one = one->next) {
		len += (size_t)snprintf(text + len, TEXT_BYTES - len, "%s%s%s",
					one == value->first ? "" : ", ", map ? one->key : "",
					map ? ": " : "");
		len = tell(text, len, one);
	}
	if (len < TEXT_BYTES)
		len += (size_t)snprintf(text + len, TEXT_BYTES - len, map ? "}" : "]");
	return len;
}

/* "5s", "[GET, PUT]", "{status: [200]}"; the beginning of what is long. */
static json_t *told(const struct yaml *value)
{
	char text[TEXT_BYTES] = "";
	size_t len = value ? tell(text, 0, value) : 0;

	/* The cut may have been in the middle of a character. */
	while (len >= TEXT_BYTES && text[0] && (text[strlen(text) - 1] & 0x80))
		text[strlen(text) - 1] = '\0';
	return value ? json_sprintf("%s%s", text, len >= TEXT_BYTES ? "..." : "") : json_null();
}

static bool is_map(const struct yaml *value)
{
	return value && value->kind == YAML_MAP;
}

/* What is told one by one, and who is asked for by it. */
static bool is_told_elsewhere(const char *key)
{
	static const char *const keys[] = { "endpoints", "sni",  "listeners",
					    "name",      "port", "weight" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

static void differ(json_t *list, const char *of, const char *path, const struct yaml *was,
		   const struct yaml *is);

static void differ_below(json_t *list, const char *of, const char *path, const char *key,
			 const struct yaml *was, const struct yaml *is)
{
	char below[PATH_BYTES];

	if (!path[0] && is_told_elsewhere(key))
		return;
	snprintf(below, sizeof(below), "%s%s%s", path, path[0] ? "." : "", key);
	differ(list, of, below, was, is);
}

/* What is not there is a map without keys, if the other is a map. */
static void differ(json_t *list, const char *of, const char *path, const struct yaml *was,
		   const struct yaml *is)
{
	if (was && is ? written_same(was, is) : was == is)
		return;
	if ((was && !is_map(was)) || (is && !is_map(is))) {
		json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o}", "of", of, "key", path,
						      "was", told(was), "is", told(is)));
		return;
	}
	for (const struct yaml *one = is ? is->first : NULL; one; one = one->next)
		differ_below(list, of, path, one->key, was ? yaml_get(was, one->key) : NULL, one);
	for (const struct yaml *one = was ? was->first : NULL; one; one = one->next)
		if (!is || !yaml_get(is, one->key))
			differ_below(list, of, path, one->key, one, NULL);
}

void written_differ(json_t *list, const char *of, const struct yaml *was, const struct yaml *is)
{
	differ(list, of, "", was, is);
}

/* --- sections ------------------------------------------------------------------------------ */

static bool same_text(const struct yaml *a, const struct yaml *b, const char *key)
{
	const struct yaml *one = yaml_get(a, key), *two = yaml_get(b, key);

	return one && two ? strcmp(one->text, two->text) == 0 : one == two;
}

static bool same_endpoint(const struct yaml *a, const struct yaml *b)
{
	return same_text(a, b, "address") && same_text(a, b, "srv") && same_text(a, b, "vpc");
}

/* But for their weights, which are told elsewhere. Most stand in the order of before. */
static void differ_endpoints(json_t *list, const char *upstream, const struct yaml *was,
			     const struct yaml *is)
{
	const struct yaml *next = was ? was->first : NULL;
	char of[OF_BYTES];

	for (const struct yaml *one = is ? is->first : NULL; one; one = one->next) {
		const struct yaml *old = next && same_endpoint(next, one) ? next
					 : was                            ? was->first
									  : NULL;
		const struct yaml *name = yaml_get(one, "address");

		while (old && !same_endpoint(old, one))
			old = old->next;
		name = name ? name : yaml_get(one, "srv");
		if (!old || !name)
			continue;
		next = old->next;
		snprintf(of, sizeof(of), "endpoint %s of %s", name->text, upstream);
		differ(list, of, "", old, one);
	}
}

static void differ_named(json_t *list, const char *what, const struct yaml *was,
			 const struct yaml *is)
{
	char of[OF_BYTES];

	for (const struct yaml *one = is ? is->first : NULL; one; one = one->next) {
		const struct yaml *old = was ? yaml_get(was, one->key) : NULL;

		snprintf(of, sizeof(of), "%s %s", what, one->key);
		if (!old || written_same(old, one))
			continue;
		differ(list, of, "", old, one);
		differ_endpoints(list, one->key, yaml_get(old, "endpoints"),
				 yaml_get(one, "endpoints"));
	}
}

/* The one of a list that has the same text there. */
static const struct yaml *find(const struct yaml *list, const char *key, const struct yaml *like)
{
	const struct yaml *wanted = yaml_get(like, key);

	for (const struct yaml *one = list ? list->first : NULL; one; one = one->next) {
		const struct yaml *has = yaml_get(one, key);

		if (has && wanted && strcmp(has->text, wanted->text) == 0)
			return one;
	}
	return NULL;
}

static bool is_udp(const struct yaml *listener)
{
	const struct yaml *protocol = yaml_get(listener, "protocol");

	return protocol && strcmp(protocol->text, "udp") == 0;
}

/* A port may have one of TCP and one of UDP. */
static void differ_listeners(json_t *list, const char *vip, const struct yaml *was,
			     const struct yaml *is)
{
	char of[OF_BYTES];

	for (const struct yaml *one = is ? is->first : NULL; one; one = one->next)
		for (const struct yaml *old = was ? was->first : NULL; old; old = old->next) {
			if (strcmp(yaml_get(old, "port")->text, yaml_get(one, "port")->text) != 0 ||
			    is_udp(old) != is_udp(one))
				continue;
			snprintf(of, sizeof(of), "listener %s:%s/%s", vip,
				 yaml_get(one, "port")->text, is_udp(one) ? "udp" : "tcp");
			differ(list, of, "", old, one);
		}
}

static void differ_vips(json_t *list, const struct yaml *was, const struct yaml *is)
{
	char of[OF_BYTES];

	for (const struct yaml *one = is ? is->first : NULL; one; one = one->next) {
		const struct yaml *old = find(was, "name", one);

		if (!old)
			continue;
		snprintf(of, sizeof(of), "vip %s", yaml_get(one, "name")->text);
		differ(list, of, "", old, one);
		differ_listeners(list, yaml_get(one, "name")->text, yaml_get(old, "listeners"),
				 yaml_get(one, "listeners"));
	}
}

void written_diff(json_t *list, const struct model *before, const struct model *after)
{
	static const char *const whole[] = { "node", "log", "dns" };
	static const char *const named[][2] = { { "upstreams", "upstream" },
						{ "certificates", "certificate" },
						{ "vpcs", "vpc" } };
	const struct yaml *was = before->root, *is = after->root;

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		differ(list, whole[i], "", yaml_get(was, whole[i]), yaml_get(is, whole[i]));
	differ_vips(list, yaml_get(was, "vips"), yaml_get(is, "vips"));
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		differ_named(list, named[i][1], yaml_get(was, named[i][0]),
			     yaml_get(is, named[i][0]));
}
