#include "tools/shuntctl/regex_example.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>

#include "userspace/base/must.h"
#include "userspace/route/regex.h"

enum { MATCHES_MAX = 2000 };

/* What ends a word comes first, and what has just been taken last, so that texts stay short. */
static const char letters[] = "/-._~1abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ023456789";

struct search {
	const pcre2_code *code;
	pcre2_match_data *found;
	char *text;
	uint32_t left; /* matches that may still be tried */
};

static int match(struct search *s, size_t len)
{
	s->left--;
	return pcre2_match(s->code, (PCRE2_SPTR)s->text, len, 0, PCRE2_PARTIAL_SOFT, s->found,
			   NULL);
}

/* Letter by letter, as long as more could make it match. At most REGEX_EXAMPLE_MAX deep. */
static bool extend(struct search *s, size_t len) /* NOLINT(misc-no-recursion) */
{
	int got = match(s, len);
	char last = '\0';

	s->text[len] = '\0';
	if (got >= 0)
		return true;
	/* Of nothing there is no partial match. */
	if ((len > 0 && got != PCRE2_ERROR_PARTIAL) || len + 1 >= REGEX_EXAMPLE_MAX)
		return false;
	last = len > 0 ? s->text[len - 1] : '\0';
	for (const char *c = letters; *c && s->left > 0; c++) {
		s->text[len] = *c;
		if (*c != last && extend(s, len + 1))
			return true;
	}
	s->text[len] = last;
	return last && s->left > 0 && extend(s, len + 1);
}

bool regex_example(const char *expression, char out[REGEX_EXAMPLE_MAX], uint32_t *spent)
{
	struct search s = { .text = out, .left = MATCHES_MAX };
	uint32_t options =
		PCRE2_ANCHORED | PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY;
	char whole[REGEX_BYTES_MAX + 16];
	pcre2_code *code;
	PCRE2_SIZE at;
	int why;
	bool done;

	/* PCRE2_ENDANCHORED does not go with partial matches. */
	snprintf(whole, sizeof(whole), "(?:%s)\\z", expression);
	code = pcre2_compile((PCRE2_SPTR)whole, PCRE2_ZERO_TERMINATED, options, &why, &at, NULL);
	if (!code)
		return false;
	s.code = code;
	s.found = pcre2_match_data_create(1, NULL);
	MUST(s.found);
	done = extend(&s, 0);
	*spent += MATCHES_MAX - s.left;
	pcre2_match_data_free(s.found);
	pcre2_code_free(code);
	return done;
}
