#include "userspace/route/country.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ISO 3166-1, and XK for Kosovo as databases have it. */
static const char codes[] =
	"AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ "
	"BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM "
	"DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS "
	"GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN "
	"KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ "
	"MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM "
	"PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV "
	"SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI "
	"VN VU WF WS XK YE YT ZA ZM ZW";

bool country_parse(struct span text, uint16_t *out_country)
{
	char code[3] = { 0 };

	if (text.len == 7 && strncasecmp(text.at, "unknown", 7) == 0) {
		*out_country = COUNTRY_UNKNOWN;
		return true;
	}
	if (text.len != 2)
		return false;
	for (int i = 0; i < 2; i++)
		code[i] = (char)toupper((unsigned char)text.at[i]);
	if (!isupper((unsigned char)code[0]) || !isupper((unsigned char)code[1]) ||
	    !strstr(codes, code))
		return false;
	*out_country = (uint16_t)(code[0] << 8 | code[1]);
	return true;
}

struct country_code_text country_print(uint16_t country)
{
	struct country_code_text out = { "unknown" };

	if (country != COUNTRY_UNKNOWN) {
		out.text[0] = (char)(country >> 8);
		out.text[1] = (char)(country & 255);
		out.text[2] = '\0';
	}
	return out;
}

#ifdef HAVE_MAXMINDDB
#include <errno.h>
#include <fcntl.h>
#include <maxminddb.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/must.h"

enum { FILE_BYTES_MAX = 1 << 29, PART_BYTES = 1 << 16 };

struct country_db {
	MMDB_s mmdb;
	atomic_uint holders;
};

static bool copy(int from, int to, const char *path, struct err *err)
{
	char *part = must_alloc(PART_BYTES);
	size_t all = 0;
	ssize_t n;

	while ((n = read(from, part, PART_BYTES)) > 0) {
		all += (size_t)n;
		if (all > FILE_BYTES_MAX || write(to, part, (size_t)n) != n)
			break;
	}
	free(part);
	if (all > FILE_BYTES_MAX)
		return err_set(err, "the database %s has more than %d MB", path,
			       FILE_BYTES_MAX >> 20);
	return n == 0 || err_sys(err, "cannot read the database %s", path);
}

/* A copy of our own: one that is mapped and then written over in its place would kill us. */
static int keep(const char *path, struct err *err)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), kept = -1;
	struct stat st;

	if (file < 0 || fstat(file, &st) != 0) {
		err_sys(err, "cannot read the database %s", path);
	} else if (!S_ISREG(st.st_mode)) {
		err_set(err, "cannot read the database %s: it is not a file", path);
	} else {
		kept = memfd_create("countries", MFD_CLOEXEC);
		if (kept < 0)
			err_sys(err, "cannot keep the database %s", path);
	}
	if (kept >= 0 && !copy(file, kept, path, err)) {
		close(kept);
		kept = -1;
	}
	if (file >= 0)
		close(file);
	return kept;
}

struct country_db *country_open(const char *path, struct err *err)
{
	struct country_db *db = must_alloc(sizeof(*db));
	int kept = keep(path, err), status;
	char name[64];

	if (kept < 0) {
		free(db);
		return NULL;
	}
	snprintf(name, sizeof(name), "/proc/self/fd/%d", kept);
	status = MMDB_open(name, MMDB_MODE_MMAP, &db->mmdb);
	close(kept);
	if (status == MMDB_SUCCESS) {
		atomic_init(&db->holders, 1);
		return db;
	}
	err_set(err, "%s is no MaxMind DB, or a broken one: %s", path, MMDB_strerror(status));
	free(db);
	return NULL;
}

struct country_db *country_share(struct country_db *db)
{
	atomic_fetch_add(&db->holders, 1);
	return db;
}

void country_close(struct country_db *db)
{
	if (!db || atomic_fetch_sub(&db->holders, 1) != 1)
		return;
	MMDB_close(&db->mmdb);
	free(db);
}

/* Some databases have ZZ for what they do not know. */
uint16_t country_of(const struct country_db *db, const struct addr *client)
{
	static const char *const path[] = { "country", "iso_code", NULL };
	uint16_t country = COUNTRY_UNKNOWN;
	struct sockaddr_storage ss;
	MMDB_lookup_result_s found;
	MMDB_entry_data_s code;
	int status;

	if (!db || !client)
		return COUNTRY_UNKNOWN;
	addr_to_sockaddr(client, &ss);
	found = MMDB_lookup_sockaddr(&db->mmdb, (const struct sockaddr *)&ss, &status);
	if (status == MMDB_SUCCESS && found.found_entry &&
	    MMDB_aget_value(&found.entry, &code, path) == MMDB_SUCCESS && code.has_data &&
	    code.type == MMDB_DATA_TYPE_UTF8_STRING &&
	    !country_parse(span_make(code.utf8_string, code.data_size), &country))
		country = COUNTRY_UNKNOWN;
	return country;
}
#else
struct country_db *country_open(const char *path, struct err *err)
{
	err_set(err,
		"cannot use the database %s: this shunt was built without libmaxminddb (install "
		"libmaxminddb-dev and build again)",
		path);
	return NULL;
}

struct country_db *country_share(struct country_db *db)
{
	return db;
}

void country_close(struct country_db *db)
{
	(void)db;
}

uint16_t country_of(const struct country_db *db, const struct addr *client)
{
	(void)db, (void)client;
	return COUNTRY_UNKNOWN;
}
#endif
