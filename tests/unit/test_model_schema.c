/* docs/configuration.md has every key of every section, and none that does not exist. */
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/model/model_schema.h"

static char *read_docs(void)
{
	FILE *file = fopen("docs/configuration.md", "r");
	char *text = calloc(1, 1 << 18);

	CHECK(file != NULL && text != NULL);
	CHECK(fread(text, 1, (1 << 18) - 1, file) > 0);
	fclose(file);
	return text;
}

/* From "## name" to the next heading, cut out; NULL where there is none. */
static char *section_of(const char *docs, const char *name)
{
	char heading[64];
	const char *at, *end;

	snprintf(heading, sizeof(heading), "\n## %s\n", name);
	at = strstr(docs, heading);
	if (!at)
		return NULL;
	at += strlen(heading);
	end = strstr(at, "\n## ");
	return strndup(at, end ? (size_t)(end - at) : strlen(at));
}

/* The row of a key, cut out; NULL where there is none. */
static char *row_of(const char *section, const struct key *key)
{
	char begin[96];
	const char *at;

	snprintf(begin, sizeof(begin), "\n| `%s`%s |", key->name, key->required ? " *" : "");
	at = strstr(section, begin);
	return at ? strndup(at + 1, strcspn(at + 1, "\n")) : NULL;
}

static void check_row(const char *section, const char *text, const struct key *key)
{
	char *row = row_of(text, key), number[32];

	if (!key->read) {
		if (row)
			test_fail(__FILE__, __LINE__, "%s: %s is of a later version", section,
				  key->name);
		return;
	}
	if (!row)
		test_fail(__FILE__, __LINE__, "%s: no row \"| `%s`%s |\"", section, key->name,
			  key->required ? " *" : "");
	snprintf(number, sizeof(number), "%llu", (unsigned long long)key->max);
	if (key->max && strcmp(section, "timeouts") && !strstr(row, number))
		test_fail(__FILE__, __LINE__, "%s: the row of %s lacks its most, %s", section,
			  key->name, number);
	free(row);
}

/* How many rows name a key. */
static uint32_t rows_in(const char *text)
{
	uint32_t count = 0;

	for (const char *at = text; (at = strstr(at, "\n| `")); at++)
		count++;
	return count;
}

TEST(every_key_has_a_row_with_its_bounds_and_no_other_row_is_there)
{
	char *docs = read_docs();

	for (const struct schema_section *s = model_schema; s->name; s++) {
		char *text = section_of(docs, s->name);
		uint32_t keys = 0;

		if (!text)
			test_fail(__FILE__, __LINE__, "no section \"## %s\"", s->name);
		for (const struct key *key = s->keys; key->name; key++) {
			check_row(s->name, text, key);
			keys += key->read != NULL;
		}
		if (rows_in(text) != keys)
			test_fail(__FILE__, __LINE__, "%s: %u rows for %u keys", s->name,
				  rows_in(text), keys);
		free(text);
	}
	free(docs);
}
