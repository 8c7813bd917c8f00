// SPDX-License-Identifier: GPL-2.0
/*
 * port: the guest's line to Bochs, free of libc because the initrd is read by the
 * BIOS of a slow machine.
 *
 *   port tsc        print the time-stamp counter: one tick is one instruction
 *   port out        copy standard input to Bochs's standard output (port 0xe9)
 *   port off        stop Bochs at once
 *
 * Exits with 1 where the ports are out of reach (not root), 2 on a wrong use.
 */
#define SYS_READ	0
#define SYS_WRITE	1
#define SYS_EXIT	60
#define SYS_IOPL	172

#define PORT_OUT	0xe9
#define PORT_STOP	0x8900

static char buffer[1 << 16];

static long syscall3(long number, long a, long b, long c)
{
	long ret;

	asm volatile("syscall" : "=a" (ret) : "a" (number), "D" (a), "S" (b), "d" (c)
		     : "rcx", "r11", "memory");
	return ret;
}

static void out_bytes(unsigned short port, const char *bytes, long count)
{
	asm volatile("rep outsb" : "+S" (bytes), "+c" (count) : "d" (port) : "memory");
}

static long print_tsc(void)
{
	char *end = buffer + 32, *p = end;
	unsigned int low, high;
	unsigned long tsc;

	asm volatile("rdtsc" : "=a" (low), "=d" (high));
	*--p = '\n';
	for (tsc = (unsigned long)high << 32 | low; tsc; tsc /= 10)
		*--p = '0' + tsc % 10;
	return syscall3(SYS_WRITE, 1, (long)p, end - p) != end - p;
}

static long copy_out(void)
{
	long count;

	while ((count = syscall3(SYS_READ, 0, (long)buffer, sizeof(buffer))) > 0)
		out_bytes(PORT_OUT, buffer, count);
	return count < 0;
}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

__attribute__((used)) static void start(long *stack)
{
	const char *command = stack[0] == 2 ? (const char *)stack[2] : "";
	long status = 2;

	if (same(command, "tsc"))
		status = print_tsc();
	else if (syscall3(SYS_IOPL, 3, 0, 0))
		status = 1;
	else if (same(command, "out"))
		status = copy_out();
	else if (same(command, "off"))
		out_bytes(PORT_STOP, "Shutdown", 8);
	syscall3(SYS_EXIT, status, 0, 0);
	__builtin_unreachable();
}

__attribute__((naked, used)) void _start(void)
{
	asm("mov	%rsp, %rdi\n\t"
	    "and	$-16, %rsp\n\t"
	    "call	start");
}
