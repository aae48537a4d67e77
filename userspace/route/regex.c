#include "userspace/route/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <pthread.h>

#include "userspace/base/must.h"
#include "userspace/route/regex_literal.h"

enum { DEPTH_MAX = 1000, HEAP_KIB_MAX = 1024 };

struct regex {
	pcre2_code *code;
	const char *text;
	struct regex_literal literal;
};

/* Of the process: read only, once it is made. */
static pcre2_match_context *limits;
static pthread_key_t scratch_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_scratch(void *scratch)
{
	pcre2_match_data_free(scratch);
}

static void begin(void)
{
	limits = pcre2_match_context_create(NULL);
	MUST(limits);
	pcre2_set_match_limit(limits, REGEX_STEPS_MAX);
	pcre2_set_depth_limit(limits, DEPTH_MAX);
	pcre2_set_heap_limit(limits, HEAP_KIB_MAX);
	MUST(pthread_key_create(&scratch_key, free_scratch) == 0);
}

/* A thread's own. */
static pcre2_match_data *scratch_of_thread(void)
{
	pcre2_match_data *scratch;

	pthread_once(&once, begin);
	scratch = pthread_getspecific(scratch_key);
	if (!scratch) {
		scratch = pcre2_match_data_create(REGEX_CAPTURES_MAX, NULL);
		MUST(scratch && pthread_setspecific(scratch_key, scratch) == 0);
	}
	return scratch;
}

static void free_code(void *code)
{
	pcre2_code_free(code);
}

const struct regex *regex_create(struct arena *arena, const char *text, struct err *err)
{
	struct regex *regex = arena_take(arena, sizeof(*regex));
	uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_UTF |
			   PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY;
	size_t len = strlen(text), at;
	int why;

	if (len > REGEX_BYTES_MAX) {
		err_set(err, "the expression has %zu bytes, at most %d are allowed", len,
			REGEX_BYTES_MAX);
		return NULL;
	}
	regex->code = pcre2_compile((PCRE2_SPTR)text, len, options, &why, &at, NULL);
	if (!regex->code) {
		unsigned char said[128] = "";

		pcre2_get_error_message(why, said, sizeof(said));
		err_set(err, "\"%s\" is no regular expression: %s, at byte %zu", text, said, at);
		return NULL;
	}
	arena_at_end(arena, free_code, regex->code);
	/* Without memory that may be run, the interpreter matches, under the same limits. */
	pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
	regex->text = arena_text(arena, span_of(text));
	regex->literal = regex_literal_of(span_of(regex->text));
	return regex;
}

static enum regex_result run(const struct regex *regex, struct span subject, int *out_groups)
{
	int got;

	if (!regex_literal_may(&regex->literal, subject))
		return REGEX_NO;
	got = pcre2_match(regex->code, (PCRE2_SPTR)(subject.at ? subject.at : ""), subject.len, 0,
			  0, scratch_of_thread(), limits);
	*out_groups = got == 0 ? REGEX_CAPTURES_MAX : got;
	return got >= 0 ? REGEX_YES : got == PCRE2_ERROR_NOMATCH ? REGEX_NO : REGEX_GAVE_UP;
}

enum regex_result regex_match(const struct regex *regex, struct span subject)
{
	int groups;

	return run(regex, subject, &groups);
}

enum regex_result regex_capture(const struct regex *regex, struct span subject,
				struct span out_groups[REGEX_CAPTURES_MAX])
{
	int groups;
	enum regex_result got = run(regex, subject, &groups);
	const PCRE2_SIZE *at;

	if (got != REGEX_YES)
		return got;
	at = pcre2_get_ovector_pointer(scratch_of_thread());
	for (int i = 0; i < REGEX_CAPTURES_MAX; i++)
		out_groups[i] =
			i < groups && at[2 * i] != PCRE2_UNSET
				? span_make(subject.at + at[2 * i], at[2 * i + 1] - at[2 * i])
				: (struct span){ NULL, 0 };
	return got;
}

const char *regex_text(const struct regex *regex)
{
	return regex->text;
}

uint32_t regex_group(const struct regex *regex, struct span name)
{
	uint32_t count = 0, number = 0;
	char text[33] = "";
	int found;

	pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &count);
	if (name.len == 0 || name.len >= sizeof(text))
		return UINT32_MAX;
	memcpy(text, name.at, name.len);
	if (text[0] >= '0' && text[0] <= '9') {
		for (size_t i = 0; i < name.len && number < 1000; i++) {
			if (text[i] < '0' || text[i] > '9')
				return UINT32_MAX;
			number = number * 10 + (uint32_t)(text[i] - '0');
		}
		return number <= count && number < REGEX_CAPTURES_MAX ? number : UINT32_MAX;
	}
	found = pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR)text);
	return found > 0 && found < REGEX_CAPTURES_MAX ? (uint32_t)found : UINT32_MAX;
}

struct span regex_head(const struct regex *regex)
{
	return regex->literal.at_start ? span_make(regex->literal.at, regex->literal.len)
				       : (struct span){ NULL, 0 };
}
