"""Introduction paths over the register: from whom an organisation knows to the company that it wants to know."""
