/// One row, so that page 50104 has something to stand on.
table 50101 "Syncline Change Mark"
{
    Caption = 'Syncline Change Mark';
    DataClassification = SystemMetadata;
    Access = Internal;
    // Whoever makes a company writes here by codeunit 50100.
    InherentEntitlements = riX;
    InherentPermissions = riX;

    fields
    {
        field(1; "Primary Key"; Code[10])
        {
            Caption = 'Primary Key';
        }
    }

    keys
    {
        key(PK; "Primary Key")
        {
            Clustered = true;
        }
    }
}
