"""What else answers the same questions: a schema of views for them, and a server each, asked in its own dialect.

The servers on Node have a folder of packages of their own, which `make bench` installs. They write no audit event, ask for no
credentials and have no limits: what they are told of their caller is a customer's id in a header.
"""
