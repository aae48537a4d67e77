#include "userspace/route/regex_literal.h"

struct scan {
	struct span text;
	size_t at;
	struct regex_literal best;
};

/* Behind a class "[...]" whose bracket is at i; beyond the text where it is too hard. */
static size_t class_end(struct span text, size_t i)
{
	i++;
	if (i < text.len && text.at[i] == '^')
		i++;
	if (i < text.len && text.at[i] == ']')
		i++;
	for (; i < text.len && text.at[i] != ']'; i++) {
		if (text.at[i] == '\\')
			i++;
		else if (text.at[i] == '[')
			return text.len + 1; /* "[:digit:]" */
	}
	return i + 1;
}

/* Behind a group "(...)" whose parenthesis is at i. */
static size_t group_end(struct span text, size_t i)
{
	int depth = 0;

	while (i < text.len) {
		char c = text.at[i];

		if (c == '[') {
			i = class_end(text, i);
			continue;
		}
		depth += c == '(' ? 1 : c == ')' ? -1 : 0;
		i += c == '\\' ? 2 : 1;
		if (depth == 0)
			break;
	}
	return i;
}

/* Behind "{2,3}" */
static size_t count_end(struct span text, size_t i)
{
	size_t digits = strspn(text.at + i + 1, "0123456789,");

	return text.at[i + 1 + digits] == '}' ? i + digits + 2 : text.len + 1;
}

/* Behind an escape of one byte. */
static size_t escape_end(struct span text, size_t i)
{
	bool simple = i + 1 < text.len && strchr("dDwWsS./-+*?()[]{}|^$\\", text.at[i + 1]);

	return simple ? i + 2 : text.len + 1;
}

/* Verbs, quoting, comments, options, conditions: not worth the trouble. */
static bool is_hard(struct span text)
{
	for (size_t i = 0; i + 1 < text.len; i++) {
		char c = text.at[i], next = text.at[i + 1];

		if (c == '\\' && next == 'Q')
			return true;
		if (c == '(' && (next == '*' || (next == '?' && (i + 2 == text.len ||
								 !strchr(":<P", text.at[i + 2])))))
			return true;
	}
	return false;
}

static void take(struct scan *s, size_t begin, size_t end)
{
	bool start = begin == 0 || (begin == 1 && s->text.at[0] == '^');

	/* One at the start is dearer: it is compared, not looked for. */
	if (end > begin && (start || (!s->best.at_start && end - begin > s->best.len)))
		s->best = (struct regex_literal){ s->text.at + begin, end - begin, start };
}

static bool is_plain(char c)
{
	return !strchr("\\^$.[]|()?*+{}#", c) && c > ' ';
}

/* A run of plain bytes; the last is not sure where what follows repeats it. */
static void scan_run(struct scan *s)
{
	size_t begin = s->at;

	while (s->at < s->text.len && is_plain(s->text.at[s->at]))
		s->at++;
	if (s->at < s->text.len && strchr("?*{", s->text.at[s->at]))
		take(s, begin, s->at - 1);
	else
		take(s, begin, s->at);
}

struct regex_literal regex_literal_of(struct span text)
{
	struct scan s = { .text = text };

	while (s.at < text.len && !is_hard(text)) {
		char c = text.at[s.at];

		if (is_plain(c))
			scan_run(&s);
		else if (c == '|')
			return (struct regex_literal){ 0 };
		else
			s.at = c == '['    ? class_end(text, s.at)
			       : c == '('  ? group_end(text, s.at)
			       : c == '{'  ? count_end(text, s.at)
			       : c == '\\' ? escape_end(text, s.at)
					   : s.at + 1;
	}
	return s.at == text.len ? s.best : (struct regex_literal){ 0 };
}

bool regex_literal_may(const struct regex_literal *literal, struct span subject)
{
	if (literal->len == 0)
		return true;
	if (literal->at_start)
		return span_has_prefix(subject, span_make(literal->at, literal->len));
	return subject.len >= literal->len &&
	       memmem(subject.at, subject.len, literal->at, literal->len);
}
