/*
 * country.h - in which country an address is, as a MaxMind DB says (country.iso_code of its entry).
 *
 * Countries are codes of ISO 3166-1 alpha-2. Whoever is built without libmaxminddb opens nothing.
 */
#pragma once
#include "userspace/base/addr.h"
#include "userspace/base/err.h"

/* Its two letters, the first above the second. */
enum { COUNTRY_UNKNOWN = 0 };

struct country_code_text {
	char text[8];
};

struct country_db;

/* "DE", "de", "unknown". False: no country has that code. */
bool country_parse(struct span text, uint16_t *out_country);
struct country_code_text country_print(uint16_t country);

/* Reads all of the file: whatever becomes of it later changes nothing. NULL and a sentence where it
 * is no such database. */
struct country_db *country_open(const char *path, struct err *err);
/* One more holder. Any thread. */
struct country_db *country_share(struct country_db *db);
void country_close(struct country_db *db); /* the last one ends it; accepts NULL */
/* COUNTRY_UNKNOWN where it has no entry; db and client may be NULL. Any thread. */
uint16_t country_of(const struct country_db *db, const struct addr *client);
