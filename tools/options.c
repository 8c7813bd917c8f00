// SPDX-License-Identifier: GPL-2.0
/* Command-line options: numbers within a range, and flags. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "say.h"

static const struct option_spec *find(const struct option_spec *specs, const char *arg)
{
	size_t length = strcspn(arg, "=");

	for (; specs->name; specs++)
		if (strlen(specs->name) == length && !strncmp(specs->name, arg, length))
			return specs;
	return NULL;
}

static int parse_number(const struct option_spec *spec, const char *text)
{
	char *end;

	errno = 0;
	*spec->value = strtoull(text, &end, 0);
	if (!errno && end != text && !*end && *text != '-' && *spec->value >= spec->min &&
	    *spec->value <= spec->max)
		return 0;
	return say("--%s %s is not possible: give a number from %llu to %llu", spec->name, text,
		   (unsigned long long)spec->min, (unsigned long long)spec->max);
}

int options_parse(int argc, char **argv, const struct option_spec *specs)
{
	const struct option_spec *spec;
	int i, others = 0;
	char *equals;

	for (i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--", 2)) {
			argv[others++] = argv[i];
			continue;
		}
		spec = find(specs, argv[i] + 2);
		if (!spec)
			return say("there is no option %s here: see vellum --help", argv[i]);
		equals = strchr(argv[i], '=');
		if (spec->flag && !equals) {
			*spec->value = 1;
			continue;
		}
		if (spec->flag || (!equals && i + 1 == argc))
			return say("--%s takes %s value: see vellum --help", spec->name,
				   spec->flag ? "no" : "a");
		if (parse_number(spec, equals ? equals + 1 : argv[++i]))
			return -1;
	}
	return others;
}
