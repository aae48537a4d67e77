/*
 * regex_literal.h - bytes that all subjects of an expression have in them (route/ only).
 *
 * Looking for them is quicker than matching: of a thousand expressions, few are tried. What is
 * hard to know is left out, so a wrong guess can only cost time.
 */
#pragma once
#include "userspace/base/span.h"

/* Borrows from the expression's text; without a length nothing is known. */
struct regex_literal {
	const char *at;
	size_t len;
	bool at_start; /* of the subject; else anywhere */
};

struct regex_literal regex_literal_of(struct span text);
bool regex_literal_may(const struct regex_literal *literal, struct span subject);
