#include <stdlib.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/route/country.h"

TEST(countries_are_codes_of_two_letters_or_unknown)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "the first", "AD", "AD" },
		{ "the last", "ZW", "ZW" },
		{ "lower case", "de", "DE" },
		{ "mixed", "fR", "FR" },
		{ "Kosovo", "XK", "XK" },
		{ "none", "unknown", "unknown" },
		{ "none, shouted", "UNKNOWN", "unknown" },
		{ "not assigned", "XX", "no" },
		{ "reserved", "UK", "no" },
		{ "what databases have for none", "ZZ", "no" },
		{ "one letter", "D", "no" },
		{ "three", "DEU", "no" },
		{ "across two codes", "D ", "no" },
		{ "a blank first", " A", "no" },
		{ "digits", "D1", "no" },
		{ "nothing", "", "no" },
	};

	FOR_ROWS (row, rows) {
		uint16_t country = 0;
		bool is = country_parse(span_of(row->text), &country);

		CHECK_STR(is ? country_print(country).text : "no", row->want);
	}
}

#ifdef HAVE_MAXMINDDB
/* One node over 128 bits: 0... is in DE, 1... has no entry. The data section is at 22. */
static const unsigned char database[] = "\0\0\x11\0\0\x01"
					"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
					"\xe1\x47"
					"country\xe1\x48"
					"iso_code\x42"
					"DE"
					"\xab\xcd\xef"
					"MaxMind.com"
					"\xe9\x4a"
					"node_count\xc1\x01\x4b"
					"record_size\xa1\x18\x4a"
					"ip_version\xa1\x06\x4d"
					"database_type\x41T\x49"
					"languages\0\x04\x5b"
					"binary_format_major_version\xa1\x02\x5b"
					"binary_format_minor_version\xa0\x4b"
					"build_epoch\x01\x02\x01\x4b"
					"description\xe0";

static struct country_db *open_bytes(const unsigned char *bytes, size_t len, struct err *err)
{
	char path[] = "/tmp/shunt-country-XXXXXX";
	int fd = mkstemp(path);
	struct country_db *db;

	CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	close(fd);
	db = country_open(path, err);
	unlink(path);
	return db;
}

static const char *place_of(const struct country_db *db, const char *address)
{
	static struct country_code_text text;
	struct addr client;

	CHECK(addr_parse_ip(span_of(address), &client));
	text = country_print(country_of(db, &client));
	return text.text;
}

TEST(an_address_is_where_its_entry_says)
{
	struct err err = { "" };
	struct country_db *db = open_bytes(database, sizeof(database) - 1, &err);

	CHECK_STR(err.text, "");
	CHECK_STR(place_of(db, "2001:db8::1"), "DE");
	CHECK_STR(place_of(db, "192.0.2.1"), "DE");
	CHECK_STR(place_of(db, "fe80::1"), "unknown");
	CHECK_STR(place_of(NULL, "192.0.2.1"), "unknown");
	CHECK_INT(country_of(db, NULL), COUNTRY_UNKNOWN);
	country_close(db);
	country_close(NULL);
}

/* libmaxminddb 1.7 loses a few KB of its own with each description that it refuses. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libmaxminddb";
}

/* Every length, and every bit turned: refused or asked, and nobody dies of it. */
TEST(a_spoilt_database_is_refused_or_knows_less)
{
	unsigned char spoilt[sizeof(database)];
	struct country_db *db;
	unsigned refused = 0;
	struct err err;

	for (size_t len = 0; len < sizeof(database) - 1; len++) {
		db = open_bytes(database, len, &err);
		refused += !db;
		if (db)
			place_of(db, "192.0.2.1");
		country_close(db);
	}
	CHECK(refused > 100);
	for (size_t at = 0; at < sizeof(database) - 1; at++)
		for (unsigned flip = 1; flip < 256; flip *= 2) {
			memcpy(spoilt, database, sizeof(spoilt));
			spoilt[at] ^= (unsigned char)flip;
			db = open_bytes(spoilt, sizeof(spoilt) - 1, &err);
			if (db)
				place_of(db, "192.0.2.1");
			country_close(db);
		}
}
#endif
