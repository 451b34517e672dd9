"""Lines of credit: exposure, lines with hysteresis, locks, drawdowns and repayments."""
