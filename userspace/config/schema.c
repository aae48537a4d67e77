#include "userspace/config/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/addr.h"

enum { NAME_MAX_BYTES = 64, TEXT_MAX_BYTES = 255 };

void finding(struct reading *r, struct place at, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	if (r->findings->count == FINDINGS_MAX) {
		r->findings->more++;
		return;
	}
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	err_at(&r->findings->list[r->findings->count++], at, "%s", text);
}

const char *schema_found(const struct yaml *value)
{
	static _Thread_local char text[96];

	if (value->kind == YAML_LIST)
		return "a list";
	if (value->kind == YAML_MAP)
		return "a map";
	snprintf(text, sizeof(text), "\"%.80s\"", value->text);
	return text;
}

const char *schema_found_count(uint32_t count)
{
	static const char *const words[] = { "none", "one", "two", "three", "four" };

	return count < sizeof(words) / sizeof(words[0]) ? words[count] : "more";
}

bool schema_is(struct reading *r, const struct yaml *value, enum yaml_kind kind, const char *what)
{
	if (value->kind == kind)
		return true;
	finding(r, value->at, "expected %s, found %s", what, schema_found(value));
	return false;
}

/* Levenshtein's, of names that are short. */
static uint32_t distance_of(const char *a, const char *b)
{
	uint32_t row[NAME_MAX_BYTES + 1];
	size_t len_a = strlen(a), len_b = strlen(b);

	if (len_a > NAME_MAX_BYTES || len_b > NAME_MAX_BYTES)
		return UINT32_MAX;
	for (uint32_t j = 0; j <= len_b; j++)
		row[j] = j;
	for (uint32_t i = 1; i <= len_a; i++) {
		uint32_t corner = row[0];

		row[0] = i;
		for (uint32_t j = 1; j <= len_b; j++) {
			uint32_t best = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[len_b];
}

void nearest_try(struct nearest *n, const char *name)
{
	uint32_t distance = distance_of(n->to, name);

	if (n->best && distance >= n->distance)
		return;
	n->best = name;
	n->distance = distance;
}

const char *nearest_best(const struct nearest *n)
{
	/* A third of the letters wrong is another word. */
	return n->best && n->distance <= 1 + strlen(n->to) / 3 ? n->best : NULL;
}

static const struct key *key_find(const struct key *keys, const char *name)
{
	for (; keys->name; keys++)
		if (strcmp(keys->name, name) == 0)
			return keys;
	return NULL;
}

static void unknown_key(struct reading *r, const struct key *keys, const struct yaml *value)
{
	struct nearest near = { .to = value->key };

	for (const struct key *k = keys; k->name; k++)
		if (k->read)
			nearest_try(&near, k->name);
	if (nearest_best(&near))
		finding(r, value->key_at, "unknown key \"%.64s\"; did you mean \"%s\"?", value->key,
			nearest_best(&near));
	else
		finding(r, value->key_at, "unknown key \"%.64s\"; remove it", value->key);
}

void schema_read(struct reading *r, const struct key *keys, const struct yaml *map, void *into)
{
	if (!schema_is(r, map, YAML_MAP, "a map of keys and values"))
		return;
	for (const struct yaml *value = map->first; value; value = value->next) {
		const struct key *key = key_find(keys, value->key);

		if (!key)
			unknown_key(r, keys, value);
		else if (!key->read)
			finding(r, value->key_at,
				"\"%s\" is not supported yet by this version; remove it",
				value->key);
		else
			key->read(r, key, value, (char *)into + key->offset);
	}
	for (const struct key *key = keys; key->name; key++)
		if (key->required && !yaml_get(map, key->name))
			finding(r, map->at, "expected the key \"%s\" here, found none", key->name);
}

void read_text(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	uint64_t max = key->max ? key->max : TEXT_MAX_BYTES;

	if (!schema_is(r, value, YAML_TEXT, "text"))
		return;
	if (value->text[0] == 0 || strlen(value->text) > max)
		finding(r, value->at, "expected 1 to %llu bytes for \"%s\", found %zu",
			(unsigned long long)max, key->name, strlen(value->text));
	else
		*(const char **)into = value->text;
}

bool number_parse(const char *text, uint64_t max, uint64_t *out_n)
{
	uint64_t n = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || n > (UINT64_MAX - 9) / 10)
			return false;
		n = n * 10 + (uint64_t)(*text - '0');
		if (n > max)
			return false;
	}
	*out_n = n;
	return true;
}

void read_long(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	uint64_t n;

	if (value->kind == YAML_TEXT && number_parse(value->text, key->max, &n) && n >= key->min)
		*(uint64_t *)into = n;
	else
		finding(r, value->at, "expected a number from %llu to %llu for \"%s\", found %s",
			(unsigned long long)key->min, (unsigned long long)key->max, key->name,
			schema_found(value));
}

void read_number(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	uint64_t n = UINT64_MAX;

	read_long(r, key, value, &n);
	if (n != UINT64_MAX)
		*(uint32_t *)into = (uint32_t)n;
}

static bool size_parse(const char *text, uint64_t max, uint64_t *out_bytes)
{
	static const char *const units[] = { "", "kB", "MB", "GB" };
	size_t digits = strspn(text, "0123456789"), shift;
	char number[20];

	for (shift = 0; shift < 4 && strcmp(text + digits, units[shift]) != 0; shift++)
		;
	if (shift == 4 || digits == 0 || digits >= sizeof(number))
		return false;
	memcpy(number, text, digits);
	number[digits] = 0;
	if (!number_parse(number, max >> (shift * 10), out_bytes))
		return false;
	*out_bytes <<= shift * 10;
	return true;
}

void read_size(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	uint64_t bytes;

	if (value->kind == YAML_TEXT && size_parse(value->text, key->max, &bytes) &&
	    bytes >= key->min)
		*(uint64_t *)into = bytes;
	else
		finding(r, value->at,
			"expected a size such as 64kB, 512MB or 2GB, from %llu to %llu bytes, for "
			"\"%s\", found %s",
			(unsigned long long)key->min, (unsigned long long)key->max, key->name,
			schema_found(value));
}

static uint64_t unit_ms(const char *unit)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i].name) == 0)
			return units[i].ms;
	return 0;
}

void read_duration(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	const char *text = value->kind == YAML_TEXT ? value->text : "";
	size_t digits = strspn(text, "0123456789");
	uint64_t n = 0, unit = unit_ms(text + digits);
	char number[16];

	if (digits > 0 && digits < sizeof(number)) {
		memcpy(number, text, digits);
		number[digits] = 0;
	} else {
		unit = 0;
	}
	if (!unit || !number_parse(number, UINT32_MAX, &n) || n > UINT32_MAX / unit) {
		finding(r, value->at, "expected a time such as 200ms or 5s for \"%s\", found %s",
			key->name, schema_found(value));
		return;
	}
	n *= unit;
	if (n < key->min || n > key->max)
		finding(r, value->at, "expected a time from %llums to %llums for \"%s\", found %s",
			(unsigned long long)key->min, (unsigned long long)key->max, key->name,
			schema_found(value));
	else
		*(uint32_t *)into = (uint32_t)n;
}

void read_ip(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	if (value->kind != YAML_TEXT || !addr_parse_ip(span_of(value->text), into))
		finding(r, value->at,
			"expected an IP address such as 192.0.2.10 for \"%s\", found %s", key->name,
			schema_found(value));
}
